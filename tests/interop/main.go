// Command k8s-interop reads and writes Kubernetes objects with the published API module, for tests that hold vaina to it.
//
// It answers one JSON line for each JSON line of its input:
//
//	{"decode": base64}  an object as etcd holds it  ->  {"json": object, "data": base64 of the object encoded again}
//	{"encode": object}  an object as JSON, strict   ->  {"json": object, "data": base64 of the object as etcd holds it}
//	{"patch": {"current": object, "patch": patch}}   ->  {"json": what a strategic merge patch makes of the object}
//	{"podSecurity": {"labels": labels, "pod": Pod}}  ->  {"json": what the Pod Security Standards say of it, by mode}
//	{"encrypt" or "decrypt": {"config": text, "resource": "secrets", "key": etcd's key, "data": base64}}
//	                                                 ->  {"data": base64, "json": whether it is stale}
//	{"audit": {"policy": text, "attributes": attributes}}  ->  {"json": the level and the stages that are left out}
//	{"managed": {"live": object, "object": object, "apply": bool, "manager": name, ...}}
//	                                                 ->  {"json": the object with its managedFields, or the refusal}
//
// What cannot be read is answered with {"error": text}.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	auditpolicy "k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// One object with every field set has some 50 kB.
const maxLine = 16 << 20

type request struct {
	Decode []byte          `json:"decode,omitempty"`
	Encode json.RawMessage `json:"encode,omitempty"`
	Patch  *patching       `json:"patch,omitempty"`

	PodSecurity *securing `json:"podSecurity,omitempty"`

	Encrypt *transforming `json:"encrypt,omitempty"`
	Decrypt *transforming `json:"decrypt,omitempty"`
	Audit   *auditing     `json:"audit,omitempty"`
	Managed *managing     `json:"managed,omitempty"`
}

// transforming is a value of a resource at a key, and the EncryptionConfiguration that says how it is stored.
type transforming struct {
	Config   string `json:"config"`
	Resource string `json:"resource"`
	Key      string `json:"key"`
	Data     []byte `json:"data"`
}

// auditing is a request of which an audit policy says how much is written.
type auditing struct {
	Policy     string `json:"policy"`
	Attributes struct {
		User        string   `json:"user"`
		Groups      []string `json:"groups"`
		Verb        string   `json:"verb"`
		Group       string   `json:"group"`
		Resource    string   `json:"resource"`
		Subresource string   `json:"subresource"`
		Namespace   string   `json:"namespace"`
		Name        string   `json:"name"`
		Path        string   `json:"path"`
	} `json:"attributes"`
}

// securing is a Pod in a namespace with these labels, of which nothing else is known.
type securing struct {
	Labels map[string]string `json:"labels"`
	Pod    corev1.Pod        `json:"pod"`
}

// secured is what a mode of the namespace's policy makes of a Pod.
type secured struct {
	Level    string   `json:"level"`
	Reasons  []string `json:"reasons"`
	Details  []string `json:"details"`
	Sentence string   `json:"sentence"`
}

type patching struct {
	Current json.RawMessage        `json:"current"`
	Patch   map[string]interface{} `json:"patch"`
}

type response struct {
	JSON  json.RawMessage `json:"json,omitempty"`
	Data  []byte          `json:"data,omitempty"`
	Error string          `json:"error,omitempty"`
}

type codecs struct {
	scheme *runtime.Scheme
	stored runtime.Serializer
	text   runtime.Serializer
}

func newCodecs() (codecs, error) {
	scheme := runtime.NewScheme()
	builders := []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, coordinationv1.AddToScheme, policyv1.AddToScheme,
		schedulingv1.AddToScheme, nodev1.AddToScheme, storagev1.AddToScheme, autoscalingv2.AddToScheme,
		certificatesv1.AddToScheme, rbacv1.AddToScheme, discoveryv1.AddToScheme, networkingv1.AddToScheme, resourcev1.AddToScheme,
	}
	for _, add := range builders {
		if err := add(scheme); err != nil {
			return codecs{}, err
		}
	}
	strict := jsonserializer.SerializerOptions{Strict: true}
	return codecs{
		scheme: scheme,
		stored: protobuf.NewSerializer(scheme, scheme),
		text:   jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, scheme, scheme, strict),
	}, nil
}

func (c codecs) answer(line []byte) response {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return response{Error: err.Error()}
	}
	if asked.Patch != nil {
		return c.patched(*asked.Patch)
	}
	if asked.PodSecurity != nil {
		return judged(*asked.PodSecurity)
	}
	if asked.Encrypt != nil {
		return transformed(*asked.Encrypt, true)
	}
	if asked.Decrypt != nil {
		return transformed(*asked.Decrypt, false)
	}
	if asked.Audit != nil {
		return audited(*asked.Audit)
	}
	if asked.Managed != nil {
		return c.managed(*asked.Managed)
	}
	reader, data := c.stored, asked.Decode
	if asked.Encode != nil {
		reader, data = c.text, asked.Encode
	}
	object, gvk, err := reader.Decode(data, nil, nil)
	if err != nil {
		return response{Error: err.Error()}
	}
	// The protobuf reader leaves the type out of the object; JSON shows it.
	object.GetObjectKind().SetGroupVersionKind(*gvk)
	var text, stored bytes.Buffer
	if err := c.text.Encode(object, &text); err != nil {
		return response{Error: err.Error()}
	}
	if err := c.stored.Encode(object, &stored); err != nil {
		return response{Error: err.Error()}
	}
	return response{JSON: bytes.TrimSpace(text.Bytes()), Data: stored.Bytes()}
}

// patched does what the apiserver does with a strategic merge patch: the typed object as a map, merged by its types.
func (c codecs) patched(asked patching) response {
	object, _, err := c.text.Decode(asked.Current, nil, nil)
	if err != nil {
		return response{Error: err.Error()}
	}
	current, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return response{Error: err.Error()}
	}
	merged, err := strategicpatch.StrategicMergeMapPatch(current, asked.Patch, object)
	if err != nil {
		return response{Error: err.Error()}
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{JSON: text}
}

// judged evaluates a Pod as upstream's admission does, with "privileged" where no label says anything.
func judged(asked securing) response {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return response{Error: err.Error()}
	}
	privileged := podsecurity.LevelVersion{Level: podsecurity.LevelPrivileged, Version: podsecurity.LatestVersion()}
	found, errs := podsecurity.PolicyToEvaluate(
		asked.Labels, podsecurity.Policy{Enforce: privileged, Audit: privileged, Warn: privileged})
	answer := map[string]interface{}{}
	for mode, level := range map[string]podsecurity.LevelVersion{
		"enforce": found.Enforce, "audit": found.Audit, "warn": found.Warn,
	} {
		results := evaluator.EvaluatePod(level, &asked.Pod.ObjectMeta, &asked.Pod.Spec)
		result := policy.AggregateCheckResults(results)
		answer[mode] = secured{
			Level: level.String(), Reasons: result.ForbiddenReasons, Details: result.ForbiddenDetails,
			Sentence: result.ForbiddenDetail(),
		}
	}
	wrong := []string{}
	for _, err := range errs {
		wrong = append(wrong, err.Error())
	}
	answer["errors"] = wrong
	text, err := json.Marshal(answer)
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{JSON: text}
}

// transformed stores a value as a kube-apiserver with this configuration does, or reads it.
func transformed(asked transforming, store bool) response {
	file, err := os.CreateTemp("", "encryption-*.yaml")
	if err != nil {
		return response{Error: err.Error()}
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(asked.Config); err != nil {
		return response{Error: err.Error()}
	}
	if err := file.Close(); err != nil {
		return response{Error: err.Error()}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config, err := encryptionconfig.LoadEncryptionConfig(ctx, file.Name(), false, "")
	if err != nil {
		return response{Error: err.Error()}
	}
	transformer := encryptionconfig.StaticTransformers(config.Transformers).TransformerForResource(
		schema.ParseGroupResource(asked.Resource))
	where := value.DefaultContext(asked.Key)
	if store {
		data, err := transformer.TransformToStorage(ctx, asked.Data, where)
		if err != nil {
			return response{Error: err.Error()}
		}
		return response{JSON: json.RawMessage("false"), Data: data}
	}
	data, stale, err := transformer.TransformFromStorage(ctx, asked.Data, where)
	if err != nil {
		return response{Error: err.Error()}
	}
	text, err := json.Marshal(stale)
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{JSON: text, Data: data}
}

// audited asks an audit policy about a request.
func audited(asked auditing) response {
	policy, err := auditpolicy.LoadPolicyFromBytes([]byte(asked.Policy))
	if err != nil {
		return response{Error: err.Error()}
	}
	of := asked.Attributes
	found := auditpolicy.NewPolicyRuleEvaluator(policy).EvaluatePolicyRule(&authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: of.User, Groups: of.Groups}, Verb: of.Verb, APIGroup: of.Group,
		Resource: of.Resource, Subresource: of.Subresource, Namespace: of.Namespace, Name: of.Name,
		ResourceRequest: of.Resource != "", Path: of.Path,
	})
	text, err := json.Marshal(map[string]interface{}{
		"level": found.Level, "omitStages": found.OmitStages, "omitManagedFields": found.OmitManagedFields,
	})
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{JSON: text}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "k8s-interop:", err)
		os.Exit(1)
	}
}

func run() error {
	made, err := newCodecs()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := answers.Encode(made.answer(lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}
