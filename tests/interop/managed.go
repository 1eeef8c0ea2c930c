package main

import (
	"encoding/json"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// managing is a write of an object, of which upstream's field manager says whose fields are what.
type managing struct {
	// Live is the object as it is stored; without a uid there is none.
	Live json.RawMessage `json:"live"`
	// Object is the object as it is to be, or what is applied.
	Object      json.RawMessage `json:"object"`
	Apply       bool            `json:"apply"`
	Manager     string          `json:"manager"`
	Subresource string          `json:"subresource"`
	Force       bool            `json:"force"`
	// Reset are the fields that the strategy of the resource keeps as they are.
	Reset [][]string `json:"reset"`
}

// refusal is why an apply was refused.
type refusal struct {
	Message string          `json:"message"`
	Reason  string          `json:"reason"`
	Code    int32           `json:"code"`
	Causes  json.RawMessage `json:"causes"`
}

type noDefaults struct{}

func (noDefaults) Default(runtime.Object) {}

// managed answers with the object and its managedFields, or with the refusal under "refused".
func (c codecs) managed(asked managing) response {
	live, gvk, err := c.text.Decode(asked.Live, nil, nil)
	if err != nil {
		return response{Error: err.Error()}
	}
	version := gvk.GroupVersion()
	reset := fieldpath.NewSet()
	for _, path := range asked.Reset {
		parts := []interface{}{}
		for _, part := range path {
			parts = append(parts, part)
		}
		reset.Insert(fieldpath.MakePathOrDie(parts...))
	}
	filters := map[fieldpath.APIVersion]fieldpath.Filter{
		fieldpath.APIVersion(version.String()): fieldpath.NewExcludeSetFilter(reset),
	}
	manager, err := managedfields.NewDefaultFieldManager(
		applyconfigurations.NewTypeConverter(c.scheme), c.scheme, noDefaults{}, c.scheme, *gvk, version,
		asked.Subresource, filters)
	if err != nil {
		return response{Error: err.Error()}
	}
	var made runtime.Object
	if asked.Apply {
		applied := &unstructured.Unstructured{}
		if err := json.Unmarshal(asked.Object, &applied.Object); err != nil {
			return response{Error: err.Error()}
		}
		made, err = manager.Apply(live, integers(applied), asked.Manager, asked.Force)
	} else {
		var object runtime.Object
		if object, _, err = c.text.Decode(asked.Object, nil, nil); err != nil {
			return response{Error: err.Error()}
		}
		made, err = manager.Update(live, object, asked.Manager)
	}
	answer := map[string]interface{}{}
	if err != nil {
		answer["refused"] = refused(err)
	} else {
		answer["object"] = made
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{JSON: text}
}

func refused(err error) refusal {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return refusal{Message: err.Error()}
	}
	found := refusal{Message: status.ErrStatus.Message, Reason: string(status.ErrStatus.Reason), Code: status.ErrStatus.Code}
	if status.ErrStatus.Details != nil {
		found.Causes, _ = json.Marshal(status.ErrStatus.Details.Causes)
	}
	return found
}

// integers reads numbers as the apiserver's reader of YAML does: whole ones are integers.
func integers(applied *unstructured.Unstructured) *unstructured.Unstructured {
	text, _ := applied.MarshalJSON()
	read := &unstructured.Unstructured{}
	_ = read.UnmarshalJSON(text)
	return read
}
