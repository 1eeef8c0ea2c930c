package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// streams runs a Pod, reads its log, runs commands in it, attaches to it and forwards a port.
func streams(ctx context.Context, w *world) {
	pods := w.typed.CoreV1().Pods(w.namespace)
	made := pod("streamed", w.image, "sh", "-c", "echo begun; mkdir /tmp/w; echo page > /tmp/w/index.html; httpd -f -p 8080 -h /tmp/w")
	zero := int64(0)
	made.Spec.TerminationGracePeriodSeconds = &zero
	ear := pod("", w.image, "sh", "-c", "while read word; do echo heard $word; done").Spec.Containers[0]
	ear.Name, ear.Stdin = "ear", true
	made.Spec.Containers = append(made.Spec.Containers, ear)
	got(pods.Create(ctx, made, metav1.CreateOptions{}))
	defer func() { _ = pods.Delete(context.Background(), "streamed", metav1.DeleteOptions{}) }()
	until(ctx, "the Pod to run", func() bool {
		return got(pods.Get(ctx, "streamed", metav1.GetOptions{})).Status.Phase == corev1.PodRunning
	})
	until(ctx, "the log", func() bool {
		text := got(pods.GetLogs("streamed", &corev1.PodLogOptions{Container: "main"}).DoRaw(ctx))
		return string(text) == "begun\n"
	})
	out, err := execute(ctx, w, "text", "sh", "-c", "cat; exit 3")
	failed, coded := err.(exec.CodeExitError)
	check(coded && failed.Code == 3 && out == "text", "exec: %q, %v", out, err)
	large := strings.Repeat("0123456789abcdef", 1<<16)
	out, err = execute(ctx, w, large, "cat")
	check(err == nil && out == large, "exec of 1 MiB: %d bytes, %v", len(out), err)

	attached(ctx, w)

	url := w.typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name("streamed").
		SubResource("portforward").URL()
	dialer := got(portforward.NewSPDYOverWebsocketDialer(url, w.config))
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder := got(portforward.New(dialer, []string{"0:8080"}, stop, ready, io.Discard, os.Stderr))
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		must(err)
	}
	port := got(forwarder.GetPorts())[0].Local
	client := http.Client{Timeout: 10 * time.Second}
	for range 5 {
		page := got(client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port)))
		text := got(io.ReadAll(page.Body))
		page.Body.Close()
		check(string(text) == "page\n", "forwarded: %q", text)
	}
	close(stop)
	<-ended
}

// attached tells a container a word, and hears its answer before it leaves.
func attached(ctx context.Context, w *world) {
	url := w.typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name("streamed").
		SubResource("attach").VersionedParams(&corev1.PodAttachOptions{
		Container: "ear", Stdin: true, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec).URL()
	executor := got(remotecommand.NewWebSocketExecutor(w.config, "GET", url.String()))
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	input, words := io.Pipe()
	answers, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: input, Stdout: out, Stderr: io.Discard})
		out.CloseWithError(err)
		ended <- err
	}()
	go func() { _, _ = io.WriteString(words, "word\n") }()
	answer, err := bufio.NewReader(answers).ReadString('\n')
	check(err == nil && answer == "heard word\n", "attach: %q, %v", answer, err)
	leave()
	words.Close()
	<-ended
}

// execute runs a command in the Pod over a WebSocket; returns what it writes.
func execute(ctx context.Context, w *world, input string, command ...string) (string, error) {
	url := w.typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(w.namespace).Name("streamed").
		SubResource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: "main", Command: command, Stdin: true, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec).URL()
	executor := got(remotecommand.NewWebSocketExecutor(w.config, "GET", url.String()))
	var out, wrong bytes.Buffer
	err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{
		Stdin: strings.NewReader(input), Stdout: &out, Stderr: &wrong,
	})
	return out.String(), err
}
