package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// counts are what a handler was told.
type counts struct{ added, updated, deleted atomic.Int32 }

func (c *counts) handler() cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.added.Add(1) },
		UpdateFunc: func(any, any) { c.updated.Add(1) },
		DeleteFunc: func(any) { c.deleted.Add(1) },
	}
}

// recordEvents records an Event twice, and finds one with a series or a count.
func recordEvents(ctx context.Context, w *world) {
	about := got(w.typed.CoreV1().ConfigMaps(w.namespace).Create(ctx, configMap("told", nil), metav1.CreateOptions{}))
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: w.typed.EventsV1()})
	must(broadcaster.StartRecordingToSinkWithContext(ctx))
	defer broadcaster.Shutdown()
	recorder := broadcaster.NewRecorder(scheme.Scheme, "k8s-client-go")
	var found []eventsv1.Event
	for range 2 {
		recorder.Eventf(about, nil, corev1.EventTypeNormal, "Told", "Telling", "told %s", "once")
	}
	until(ctx, "the event", func() bool {
		found = got(w.typed.EventsV1().Events(w.namespace).List(ctx, metav1.ListOptions{})).Items
		for _, each := range found {
			if each.Regarding.Name == "told" && each.Series != nil {
				return each.Note == "told once" && each.Series.Count == 2
			}
		}
		return false
	})
	core := got(w.typed.CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=told"}))
	check(len(core.Items) == 1 && core.Items[0].Message == "told once", "core: %v", core.Items)
	must(w.typed.CoreV1().ConfigMaps(w.namespace).Delete(ctx, "told", metav1.DeleteOptions{}))
}

// leaderElection lets a second candidate lead once the first has let go.
func leaderElection(ctx context.Context, w *world) {
	candidate := func(name string) (led chan struct{}, end func()) {
		inner, cancel := context.WithCancel(ctx)
		led, done := make(chan struct{}), make(chan struct{})
		elector := got(leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta: metav1.ObjectMeta{Name: "led", Namespace: w.namespace}, Client: w.typed.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: name},
			},
			LeaseDuration: 4 * time.Second, RenewDeadline: 3 * time.Second, RetryPeriod: 200 * time.Millisecond,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { close(led) }, OnStoppedLeading: func() {},
			},
		}))
		go func() { elector.Run(inner); close(done) }()
		return led, func() { cancel(); <-done }
	}
	first, endFirst := candidate("first")
	<-first
	second, endSecond := candidate("second")
	select {
	case <-second:
		check(false, "two lead")
	case <-time.After(time.Second):
	}
	endFirst()
	select {
	case <-second:
	case <-ctx.Done():
		check(false, "the second does not lead")
	}
	lease := got(w.typed.CoordinationV1().Leases(w.namespace).Get(ctx, "led", metav1.GetOptions{}))
	check(*lease.Spec.HolderIdentity == "second" && *lease.Spec.LeaseTransitions == 1, "lease: %v", lease.Spec)
	endSecond()
}

// watchList has the objects that are there, then the bookmark that ends them, then what happens.
func watchList(ctx context.Context, w *world) {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	labels := map[string]string{"set": "watched"}
	for number := range 3 {
		got(maps.Create(ctx, configMap(fmt.Sprintf("watched-%d", number), labels), metav1.CreateOptions{}))
	}
	yes := true
	watching := got(maps.Watch(ctx, metav1.ListOptions{
		LabelSelector: "set=watched", SendInitialEvents: &yes, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}))
	defer watching.Stop()
	for range 3 {
		check((<-watching.ResultChan()).Type == watch.Added, "not an object that is there")
	}
	mark := <-watching.ResultChan()
	check(mark.Type == watch.Bookmark, "not a bookmark: %v", mark)
	annotations := mark.Object.(*corev1.ConfigMap).Annotations
	check(annotations[metav1.InitialEventsAnnotationKey] == "true", "annotations: %v", annotations)
	must(maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "set=watched"}))
	for range 3 {
		next := <-watching.ResultChan()
		check(next.Type == watch.Deleted, "not deleted: %v", next)
	}
	second := int64(1)
	ended := got(maps.Watch(ctx, metav1.ListOptions{TimeoutSeconds: &second}))
	for each := range ended.ResultChan() {
		check(each.Type == watch.Added, "before the end: %v", each)
	}
}

// relist is told that a version is too old.
func relist(ctx context.Context, w *world) {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	w.ask("compact")
	watching, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: "2"})
	if err == nil {
		first := <-watching.ResultChan()
		check(first.Type == watch.Error, "a version that is gone: %v", first)
		err = apierrors.FromObject(first.Object)
		watching.Stop()
	}
	check(apierrors.IsResourceExpired(err) || apierrors.IsGone(err), "a version that is gone: %v", err)
}

// informed follows ConfigMaps with three informers while the apiserver is ended and started again.
func informed(ctx context.Context, w *world, what string) {
	stop := make(chan struct{})
	defer close(stop)
	typedFactory := informers.NewSharedInformerFactoryWithOptions(w.typed, 0, informers.WithNamespace(w.namespace))
	dynamicFactory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(w.dynamic, 0, w.namespace, nil)
	metadataFactory := metadatainformer.NewFilteredSharedInformerFactory(w.metadata, 0, w.namespace, nil)
	all := map[string]cache.SharedIndexInformer{
		"typed":    typedFactory.Core().V1().ConfigMaps().Informer(),
		"dynamic":  dynamicFactory.ForResource(configMaps).Informer(),
		"metadata": metadataFactory.ForResource(configMaps).Informer(),
	}
	told := map[string]*counts{}
	var begun sync.WaitGroup
	for name, informer := range all {
		told[name] = &counts{}
		got(informer.AddEventHandler(told[name].handler()))
		begun.Go(func() { informer.Run(stop) })
		check(cache.WaitForCacheSync(ctx.Done(), informer.HasSynced), "%s does not know what is there", name)
	}
	change(ctx, w, "first", told)
	w.ask(what)
	change(ctx, w, "second", told)
}

// change makes, changes and deletes an object, each time all informers have told of the step before; it tries again
// while nobody serves.
func change(ctx context.Context, w *world, name string, told map[string]*counts) {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	step := func(what string, of func(*counts) *atomic.Int32, do func() error) {
		before := map[string]int32{}
		for informer, each := range told {
			before[informer] = of(each).Load()
		}
		until(ctx, "an apiserver that serves", func() bool { return do() == nil })
		for informer, each := range told {
			until(ctx, fmt.Sprintf("%s to tell that %s is %s", informer, name, what), func() bool {
				return of(each).Load() > before[informer]
			})
		}
	}
	var made *corev1.ConfigMap
	step("added", func(c *counts) *atomic.Int32 { return &c.added }, func() (err error) {
		made, err = maps.Create(ctx, configMap(name, nil), metav1.CreateOptions{})
		return err
	})
	step("updated", func(c *counts) *atomic.Int32 { return &c.updated }, func() error {
		made.Data["a"] = "2"
		_, err := maps.Update(ctx, made, metav1.UpdateOptions{})
		return err
	})
	step("deleted", func(c *counts) *atomic.Int32 { return &c.deleted }, func() error {
		return maps.Delete(ctx, name, metav1.DeleteOptions{})
	})
}
