// Command k8s-client-go uses an apiserver as programs written with client-go do, and says of each use whether it worked.
//
//	k8s-client-go KUBECONFIG NAMESPACE [IMAGE]
//
// It writes one JSON line a case: {"case": name, "error": text or absent, "seconds": n}. When it writes
// {"ask": "restart"} or {"ask": "compact"} it reads a line, before which the apiserver has to be ended and started
// again, with etcd's history compacted meanwhile. With an image (sh, httpd) it opens streams of a Pod that runs it,
// and does nothing else.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// How long one case may take.
const patience = 60 * time.Second

type world struct {
	config    *rest.Config
	namespace string
	image     string
	// typed clients, over protobuf
	typed *kubernetes.Clientset
	// typed clients, over JSON
	json      *kubernetes.Clientset
	dynamic   *dynamic.DynamicClient
	metadata  metadata.Interface
	discovery *discovery.DiscoveryClient
	input     *bufio.Reader
}

type answer struct {
	Case    string  `json:"case"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}

// failure ends a case.
type failure struct{ error }

// must ends the case if there is an error.
func must(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// got returns the value, or ends the case.
func got[T any](value T, err error) T {
	must(err)
	return value
}

// check ends the case if what is said does not hold.
func check(holds bool, format string, values ...any) {
	if !holds {
		panic(failure{fmt.Errorf(format, values...)})
	}
}

// until waits for something, or ends the case.
func until(ctx context.Context, what string, holds func() bool) {
	for !holds() {
		select {
		case <-ctx.Done():
			check(false, "waited for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w *world) ask(what string) {
	say(map[string]string{"ask": what})
	got(w.input.ReadString('\n'))
}

func say(value any) {
	line := got(json.Marshal(value))
	fmt.Println(string(line))
}

func run(w *world, name string, do func(context.Context, *world)) {
	begun := time.Now()
	told := answer{Case: name}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	func() {
		defer func() {
			if found := recover(); found != nil {
				told.Error = fmt.Sprint(found)
			}
		}()
		do(ctx, w)
	}()
	told.Seconds = time.Since(begun).Seconds()
	say(told)
}

func main() {
	config := got(clientcmd.BuildConfigFromFlags("", os.Args[1]))
	config.QPS, config.Burst = 200, 200
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	w := &world{
		config:    config,
		namespace: os.Args[2],
		typed:     kubernetes.NewForConfigOrDie(protobuf),
		json:      kubernetes.NewForConfigOrDie(config),
		dynamic:   dynamic.NewForConfigOrDie(config),
		metadata:  metadata.NewForConfigOrDie(config),
		discovery: discovery.NewDiscoveryClientForConfigOrDie(config),
		input:     bufio.NewReader(os.Stdin),
	}
	if len(os.Args) > 3 {
		w.image = os.Args[3]
		run(w, "streams", streams)
		return
	}
	for _, each := range []struct {
		name string
		do   func(context.Context, *world)
	}{
		{"typed over protobuf", func(ctx context.Context, w *world) { typed(ctx, w, w.typed, "p") }},
		{"typed over JSON", func(ctx context.Context, w *world) { typed(ctx, w, w.json, "j") }},
		{"pages", pages},
		{"patches", patches},
		{"apply", apply},
		{"scale and status", scaleAndStatus},
		{"eviction", eviction},
		{"tokens and reviews", tokensAndReviews},
		{"discovery", discover},
		{"dynamic", dynamicObjects},
		{"metadata", metadataOnly},
		{"events", recordEvents},
		{"leader election", leaderElection},
		{"watch list", watchList},
		{"a version that is gone", relist},
		{"informers through a restart", func(ctx context.Context, w *world) { informed(ctx, w, "restart") }},
		{"informers through a restart after which what they saw is compacted", func(ctx context.Context, w *world) { informed(ctx, w, "compact") }},
	} {
		run(w, each.name, each.do)
	}
}
