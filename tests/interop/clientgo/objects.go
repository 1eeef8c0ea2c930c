package main

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func configMap(name string, labels map[string]string) *corev1.ConfigMap {
	made := &corev1.ConfigMap{ObjectMeta: named(name), Data: map[string]string{"a": "1"}}
	made.Labels = labels
	return made
}

func pod(name, image string, command ...string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: named(name), Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "main", Image: image, Command: command}},
	}}
}

func deployment(name string) *appsv1.Deployment {
	labels, two := map[string]string{"app": name}, int32(2)
	made := &appsv1.Deployment{ObjectMeta: named(name)}
	made.Spec.Replicas = &two
	made.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	made.Spec.Template.Labels = labels
	made.Spec.Template.Spec = pod("", "busybox").Spec
	return made
}

// typed makes, reads, changes and deletes one object, and is refused as upstream refuses.
func typed(ctx context.Context, w *world, client *kubernetes.Clientset, name string) {
	maps := client.CoreV1().ConfigMaps(w.namespace)
	made := got(maps.Create(ctx, configMap(name, nil), metav1.CreateOptions{}))
	check(made.UID != "" && made.ResourceVersion != "", "no uid or version: %v", made.ObjectMeta)
	_, err := maps.Create(ctx, configMap(name, nil), metav1.CreateOptions{})
	check(apierrors.IsAlreadyExists(err), "made twice: %v", err)
	found := got(maps.Get(ctx, name, metav1.GetOptions{}))
	check(found.UID == made.UID && found.Data["a"] == "1", "read another: %v", found)
	found.Data["a"] = "2"
	dry := got(maps.Update(ctx, found, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}}))
	check(dry.Data["a"] == "2", "dry run: %v", dry)
	updated := got(maps.Update(ctx, found, metav1.UpdateOptions{}))
	check(updated.ResourceVersion != made.ResourceVersion, "the version stays")
	_, err = maps.Update(ctx, found, metav1.UpdateOptions{})
	check(apierrors.IsConflict(err), "an old version was taken: %v", err)
	_, err = maps.Create(ctx, configMap("Not_Valid", nil), metav1.CreateOptions{})
	check(apierrors.IsInvalid(err), "a bad name was taken: %v", err)
	status, _ := err.(apierrors.APIStatus)
	check(len(status.Status().Details.Causes) == 1, "causes: %v", status.Status())
	other := types.UID("other")
	err = maps.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	check(apierrors.IsConflict(err), "another's uid: %v", err)
	must(maps.Delete(ctx, name, metav1.DeleteOptions{}))
	_, err = maps.Get(ctx, name, metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "it is still there: %v", err)
}

// pages lists by pages, by labels and fields, and deletes them all.
func pages(ctx context.Context, w *world) {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	for number := range 25 {
		got(maps.Create(ctx, configMap(fmt.Sprintf("page-%02d", number), map[string]string{"set": "pages"}), metav1.CreateOptions{}))
	}
	options := metav1.ListOptions{LabelSelector: "set=pages", Limit: 10}
	seen, turns := 0, 0
	for {
		list := got(maps.List(ctx, options))
		seen, turns = seen+len(list.Items), turns+1
		if options.Continue = list.Continue; options.Continue == "" {
			break
		}
	}
	check(seen == 25 && turns == 3, "%d objects in %d pages", seen, turns)
	one := got(maps.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=page-03"}))
	check(len(one.Items) == 1, "by field: %d", len(one.Items))
	_, err := maps.List(ctx, metav1.ListOptions{Continue: "bad", Limit: 1})
	check(apierrors.IsBadRequest(err), "a bad continue: %v", err)
	must(maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "set=pages"}))
	left := got(maps.List(ctx, metav1.ListOptions{LabelSelector: "set=pages"}))
	check(len(left.Items) == 0, "%d are left", len(left.Items))
}

func patches(ctx context.Context, w *world) {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	got(maps.Create(ctx, configMap("patched", nil), metav1.CreateOptions{}))
	for kind, text := range map[types.PatchType]string{
		types.JSONPatchType:           `[{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/json", "value": "x"}]`,
		types.MergePatchType:          `{"data": {"merge": "x"}}`,
		types.StrategicMergePatchType: `{"data": {"strategic": "x"}}`,
	} {
		got(maps.Patch(ctx, "patched", kind, []byte(text), metav1.PatchOptions{}))
	}
	found := got(maps.Get(ctx, "patched", metav1.GetOptions{}))
	check(len(found.Data) == 4, "patched to %v", found.Data)
	_, err := maps.Patch(ctx, "patched", types.JSONPatchType, []byte(`[{"op": "test", "path": "/data/a", "value": "9"}]`), metav1.PatchOptions{})
	check(apierrors.IsInvalid(err), "a test that fails: %v", err)
	must(maps.Delete(ctx, "patched", metav1.DeleteOptions{}))
}

// apply lets two managers apply a field, and extracts what one owns.
func apply(ctx context.Context, w *world) {
	maps := w.typed.CoreV1().ConfigMaps(w.namespace)
	wanted := corev1apply.ConfigMap("applied", w.namespace).WithData(map[string]string{"a": "1"})
	got(maps.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"}))
	other := corev1apply.ConfigMap("applied", w.namespace).WithData(map[string]string{"a": "2", "b": "2"})
	_, err := maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two"})
	check(apierrors.IsConflict(err), "no conflict: %v", err)
	found := got(maps.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two", Force: true}))
	check(found.Data["a"] == "2" && len(found.ManagedFields) > 0, "applied: %v", found)
	extracted := got(corev1apply.ExtractConfigMap(found, "two"))
	check(len(extracted.Data) == 2, "extracted: %v", extracted.Data)
	less := corev1apply.ConfigMap("applied", w.namespace).WithData(map[string]string{"a": "2"})
	found = got(maps.Apply(ctx, less, metav1.ApplyOptions{FieldManager: "two"}))
	check(len(found.Data) == 1, "what is applied no more stays: %v", found.Data)
	must(maps.Delete(ctx, "applied", metav1.DeleteOptions{}))
}

func scaleAndStatus(ctx context.Context, w *world) {
	deployments := w.typed.AppsV1().Deployments(w.namespace)
	got(deployments.Create(ctx, deployment("scaled"), metav1.CreateOptions{}))
	scale := got(deployments.GetScale(ctx, "scaled", metav1.GetOptions{}))
	check(scale.Spec.Replicas == 2 && scale.Status.Selector == "app=scaled", "scale: %v", scale)
	scale.Spec.Replicas = 5
	scale = got(deployments.UpdateScale(ctx, "scaled", scale, metav1.UpdateOptions{}))
	check(scale.Spec.Replicas == 5, "scaled to %d", scale.Spec.Replicas)
	found := got(deployments.Get(ctx, "scaled", metav1.GetOptions{}))
	check(*found.Spec.Replicas == 5 && found.Generation == 2, "replicas %d, generation %d", *found.Spec.Replicas, found.Generation)
	seven := int32(7)
	found.Spec.Replicas, found.Status.Replicas = &seven, 3
	found = got(deployments.UpdateStatus(ctx, found, metav1.UpdateOptions{}))
	check(*found.Spec.Replicas == 5 && found.Status.Replicas == 3, "status: %v", found)
	must(deployments.Delete(ctx, "scaled", metav1.DeleteOptions{}))
}

func eviction(ctx context.Context, w *world) {
	pods := w.typed.CoreV1().Pods(w.namespace)
	account := &corev1.ServiceAccount{ObjectMeta: named("default")}
	got(w.typed.CoreV1().ServiceAccounts(w.namespace).Create(ctx, account, metav1.CreateOptions{}))
	made := pod("evicted", "busybox")
	made.Labels = map[string]string{"app": "evicted"}
	got(pods.Create(ctx, made, metav1.CreateOptions{}))
	asked := &policyv1.Eviction{ObjectMeta: named("evicted")}
	must(pods.EvictV1(ctx, asked))
	_, err := pods.Get(ctx, "evicted", metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "it is still there: %v", err)
	err = pods.EvictV1(ctx, asked)
	check(apierrors.IsNotFound(err), "nobody was evicted: %v", err)
}

// tokensAndReviews takes a token of an account, and uses it.
func tokensAndReviews(ctx context.Context, w *world) {
	accounts := w.typed.CoreV1().ServiceAccounts(w.namespace)
	got(accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: named("robot")}, metav1.CreateOptions{}))
	hour := int64(3600)
	made := got(accounts.CreateToken(ctx, "robot", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour},
	}, metav1.CreateOptions{}))
	check(made.Status.Token != "" && !made.Status.ExpirationTimestamp.IsZero(), "token: %v", made.ObjectMeta)
	name := "system:serviceaccount:" + w.namespace + ":robot"
	review := got(w.typed.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: made.Status.Token},
	}, metav1.CreateOptions{}))
	check(review.Status.Authenticated && review.Status.User.Username == name, "review: %v", review.Status)
	config := rest.AnonymousClientConfig(w.config)
	config.BearerToken = made.Status.Token
	robot := kubernetes.NewForConfigOrDie(config)
	self := got(robot.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{}))
	check(self.Status.UserInfo.Username == name, "it is %v", self.Status.UserInfo)
	_, err := robot.CoreV1().Secrets(w.namespace).List(ctx, metav1.ListOptions{})
	check(apierrors.IsForbidden(err), "it may list secrets: %v", err)
	for client, may := range map[*kubernetes.Clientset]bool{robot: false, w.typed: true} {
		access := got(client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: w.namespace, Verb: "list", Resource: "secrets",
			}},
		}, metav1.CreateOptions{}))
		check(access.Status.Allowed == may, "access: %v", access.Status)
	}
	config.BearerToken = "none"
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods(w.namespace).List(ctx, metav1.ListOptions{})
	check(apierrors.IsUnauthorized(err), "a bad token: %v", err)
}

func discover(_ context.Context, w *world) {
	version := got(w.discovery.ServerVersion())
	check(version.Major == "1" && version.Minor == "37", "version: %v", version)
	_, lists, err := w.discovery.ServerGroupsAndResources()
	must(err)
	check(len(lists) > 10, "%d group versions", len(lists))
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(w.discovery))
	for kind, resource := range map[schema.GroupKind]string{
		{Kind: "Pod"}: "pods", {Group: "apps", Kind: "Deployment"}: "deployments",
		{Group: "networking.k8s.io", Kind: "NetworkPolicy"}: "networkpolicies", {Kind: "Endpoints"}: "endpoints",
	} {
		mapping := got(mapper.RESTMapping(kind))
		check(mapping.Resource.Resource == resource, "%v: %v", kind, mapping.Resource)
	}
}

func dynamicObjects(ctx context.Context, w *world) {
	maps := w.dynamic.Resource(configMaps).Namespace(w.namespace)
	made := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "dynamic"},
		"data": map[string]any{"a": "1"},
	}}
	found := got(maps.Create(ctx, made, metav1.CreateOptions{FieldValidation: "Strict"}))
	must(unstructured.SetNestedField(found.Object, "2", "data", "a"))
	got(maps.Update(ctx, found, metav1.UpdateOptions{}))
	made.Object["unknown"] = true
	made.SetName("strict")
	_, err := maps.Create(ctx, made, metav1.CreateOptions{FieldValidation: "Strict"})
	check(apierrors.IsBadRequest(err), "an unknown field: %v", err)
	delete(made.Object, "unknown")
	made.SetName("dynamic")
	found = got(maps.Apply(ctx, "dynamic", made, metav1.ApplyOptions{FieldManager: "me", Force: true}))
	value, _, _ := unstructured.NestedString(found.Object, "data", "a")
	check(value == "1", "applied: %v", value)
	list := got(maps.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=dynamic"}))
	check(len(list.Items) == 1 && list.Items[0].GetKind() == "ConfigMap", "list: %v", list)
	must(maps.Delete(ctx, "dynamic", metav1.DeleteOptions{}))
	_, err = w.dynamic.Resource(schema.GroupVersionResource{Group: "no.io", Version: "v1", Resource: "things"}).List(ctx, metav1.ListOptions{})
	check(apierrors.IsNotFound(err), "a kind that is not served: %v", err)
}

// metadataOnly reads, patches and deletes objects of which it sees the metadata alone.
func metadataOnly(ctx context.Context, w *world) {
	got(w.typed.CoreV1().ConfigMaps(w.namespace).Create(ctx, configMap("partial", map[string]string{"a": "b"}), metav1.CreateOptions{}))
	maps := w.metadata.Resource(configMaps).Namespace(w.namespace)
	found := got(maps.Get(ctx, "partial", metav1.GetOptions{}))
	check(found.Labels["a"] == "b" && found.UID != "", "metadata: %v", found)
	list := got(maps.List(ctx, metav1.ListOptions{LabelSelector: "a=b"}))
	check(len(list.Items) == 1 && list.Items[0].Name == "partial", "list: %v", list)
	found = got(maps.Patch(ctx, "partial", types.MergePatchType, got(json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{"x": "y"}},
	})), metav1.PatchOptions{}))
	check(found.Annotations["x"] == "y", "patched: %v", found)
	must(maps.Delete(ctx, "partial", metav1.DeleteOptions{}))
}
