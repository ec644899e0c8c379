package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"dwell/internal/es"
	"dwell/so-config"
)

// Change is what a step of an installation does.
type Change string

// The changes.
const (
	Create    Change = "create"
	Upgrade   Change = "upgrade"
	Unchanged Change = "unchanged"
	// Keep leaves the existing object alone: it is newer than this dwell's, or for the administrator to tune.
	Keep Change = "keep"
	// Skip means that the cluster does not support it: no lifecycle management, no security.
	Skip Change = "skip"
	// Remove deletes the object.
	Remove Change = "remove"
)

// Step is one step of an installation.
type Step struct {
	// Kind and Name identify the object: "index template dwell-finding".
	Kind, Name string
	Change     Change
	// Why says briefly what differs; empty for new objects.
	Why string
	// Request is the request to send; its Method is empty if there is none.
	Request es.Request
}

// String is "upgrade index template dwell-finding (version 1 -> 2)".
func (s Step) String() string {
	text := fmt.Sprintf("%s %s %s", s.Change, s.Kind, s.Name)
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text
}

// Installer installs dwell's objects in a cluster. It needs the cluster privileges manage_index_templates, manage_ilm
// and manage_security, and create_index, view_index_metadata and manage on dwell's four names. An administrator has
// them; Check verifies it.
type Installer struct{ client *es.Client }

// NewInstaller returns an installer.
func NewInstaller(client *es.Client) *Installer { return &Installer{client} }

// Plan examines the cluster and returns what Apply would do, in order, with the exact requests; objects already in
// place are listed as unchanged. It changes nothing.
func (in *Installer) Plan(ctx context.Context) ([]Step, error) {
	objects, err := soconfig.Templates()
	if err != nil {
		return nil, err
	}
	steps, err := in.planLifecycle(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		step, err := in.planTemplate(ctx, o)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	streams, err := in.planStreams(ctx, objects)
	if err != nil {
		return nil, err
	}
	roles, err := in.planRoles(ctx)
	return append(append(steps, streams...), roles...), err
}

// Apply executes the plan and returns the completed steps. If one fails, the earlier ones stay in effect; Apply can be
// run again.
func (in *Installer) Apply(ctx context.Context) ([]Step, error) {
	steps, err := in.Plan(ctx)
	if err != nil {
		return nil, err
	}
	return in.carryOut(ctx, steps)
}

// carryOut sends the steps' requests in order.
func (in *Installer) carryOut(ctx context.Context, steps []Step) ([]Step, error) {
	for i, s := range steps {
		if s.Request.Method == "" {
			continue
		}
		if err := in.client.Do(ctx, es.Call{Op: string(s.Change) + " " + s.Kind, Index: s.Name, Request: s.Request}); err != nil {
			return steps[:i], err
		}
	}
	return steps, nil
}

// pathOf is an object's path in Elasticsearch's API.
func pathOf(o soconfig.Object) string {
	switch o.Kind {
	case soconfig.ComponentTemplate:
		return "/_component_template/" + o.Name
	case soconfig.Role:
		return "/_security/role/" + o.Name
	case soconfig.LifecyclePolicy:
		return "/_ilm/policy/" + o.Name
	case soconfig.IndexTemplate:
	}
	return "/_index_template/" + o.Name
}

// planTemplate compares a template with the cluster's.
func (in *Installer) planTemplate(ctx context.Context, o soconfig.Object) (Step, error) {
	step := Step{Kind: string(o.Kind), Name: o.Name, Change: Create, Request: es.Request{Method: "PUT", Path: pathOf(o), Body: o.Body}}
	body, err := in.template(ctx, o)
	if err != nil || body == nil {
		return step, err
	}
	there, err := normalize(body)
	if err != nil {
		return step, fmt.Errorf("read %s %s: %w", o.Kind, o.Name, err)
	}
	ours, err := normalize(o.Body)
	if err != nil {
		return step, fmt.Errorf("read so-config %s: %w", o.File, err)
	}
	owner, version := there.owner()
	if owner != soconfig.ManagedBy {
		return step, fmt.Errorf("plan the installation: the cluster has a %s %s that is not dwell's (its _meta.managed_by is %q): rename or delete it first", o.Kind, o.Name, owner)
	}
	step.decide(version, o.Version, there.equal(ours))
	return step, nil
}

// template returns the cluster's version of a template, or nil.
func (in *Installer) template(ctx context.Context, o soconfig.Object) (json.RawMessage, error) {
	type named struct {
		Name      string          `json:"name"`
		Component json.RawMessage `json:"component_template"`
		Index     json.RawMessage `json:"index_template"`
	}
	var answer struct {
		Components []named `json:"component_templates"`
		Indices    []named `json:"index_templates"`
	}
	err := in.client.Do(ctx, es.Call{Op: "look for " + string(o.Kind), Index: o.Name, Decode: es.JSON(&answer),
		Request: es.Request{Method: "GET", Path: pathOf(o)}})
	if es.Is(err, es.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, n := range append(answer.Components, answer.Indices...) {
		if n.Name == o.Name {
			if n.Component != nil {
				return n.Component, nil
			}
			return n.Index, nil
		}
	}
	return nil, errors.New("look for " + string(o.Kind) + " " + o.Name + ": the answer does not hold it")
}
