package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"dwell/internal/es"
	"dwell/so-config"
)

// PlanRemove returns what Remove would do. Without data it keeps streams with documents and the templates they need;
// with data it deletes everything that dwell ever wrote.
func (in *Installer) PlanRemove(ctx context.Context, data bool) ([]Step, error) {
	objects, err := soconfig.Templates()
	if err != nil {
		return nil, err
	}
	streams := ownIndices()
	there, err := writeMappings(ctx, in.client, streams)
	if err != nil {
		return nil, err
	}
	var steps []Step
	kept := false
	for _, stream := range streams {
		if _, ok := there[stream]; !ok {
			continue
		}
		step := Step{Kind: kindOf(stream), Name: stream, Change: Remove, Why: "with everything in it", Request: es.Request{Method: "DELETE", Path: pathOfStream(stream)}}
		if !data {
			empty, err := in.empty(ctx, stream)
			if err != nil {
				return nil, err
			}
			if step.Why = "it is empty"; !empty {
				kept = true
				step.Change, step.Why, step.Request = Keep, "it holds what dwell found; --data deletes it", es.Request{}
			}
		}
		steps = append(steps, step)
	}
	policy, component, err := soconfig.Lifecycle()
	if err != nil {
		return nil, err
	}
	role, err := soconfig.HuntRole()
	if err != nil {
		return nil, err
	}
	analyst, err := soconfig.AnalystRole()
	if err != nil {
		return nil, err
	}
	// Remove index templates before their components, and the policy after what refers to it.
	slices.Reverse(objects)
	for _, o := range append(objects, component, policy, role, analyst) {
		step, err := in.planRemoval(ctx, o, kept)
		if err != nil {
			return nil, err
		}
		if step.Change != "" {
			steps = append(steps, step)
		}
	}
	keys, err := in.planKeys(ctx)
	return append(steps, keys...), err
}

// Remove executes PlanRemove's plan.
func (in *Installer) Remove(ctx context.Context, data bool) ([]Step, error) {
	steps, err := in.PlanRemove(ctx, data)
	if err != nil {
		return nil, err
	}
	return in.carryOut(ctx, steps)
}

// empty reports whether an existing stream has no documents.
func (in *Installer) empty(ctx context.Context, stream string) (bool, error) {
	var answer struct {
		Count int64 `json:"count"`
	}
	err := in.client.Do(ctx, es.Call{Op: "count the documents of", Index: stream, Decode: es.JSON(&answer), Request: es.Request{Method: "GET", Path: "/" + stream + "/_count"}})
	return answer.Count == 0, err
}

// planRemoval checks whether an object exists and is dwell's; a step without a Change means that there is nothing to
// do.
func (in *Installer) planRemoval(ctx context.Context, o soconfig.Object, kept bool) (Step, error) {
	step := Step{Kind: string(o.Kind), Name: o.Name}
	var body json.RawMessage
	err := in.client.Do(ctx, es.Call{Op: "look for " + step.Kind, Index: o.Name, Decode: es.JSON(&body), Request: es.Request{Method: "GET", Path: pathOf(o)}})
	if es.Is(err, es.NotFound) || lacks(err) {
		return step, nil
	}
	if err != nil {
		return step, err
	}
	if o.Kind == soconfig.ComponentTemplate || o.Kind == soconfig.IndexTemplate {
		there, err := in.template(ctx, o)
		if err != nil {
			return step, err
		}
		n, err := normalize(there)
		if err != nil {
			return step, fmt.Errorf("read %s %s: %w", o.Kind, o.Name, err)
		}
		if by, _ := n.owner(); by != soconfig.ManagedBy {
			step.Change, step.Why = Keep, "it is not dwell's"
			return step, nil
		}
	}
	if kept && o.Kind != soconfig.Role {
		step.Change, step.Why = Keep, "the data streams that stay need it"
		return step, nil
	}
	step.Change, step.Request = Remove, es.Request{Method: "DELETE", Path: pathOf(o)}
	return step, nil
}

// planKeys finds the valid API keys that dwell created.
func (in *Installer) planKeys(ctx context.Context) ([]Step, error) {
	var answer struct {
		Keys []struct {
			ID          string         `json:"id"`
			Name        string         `json:"name"`
			Invalidated bool           `json:"invalidated"`
			Metadata    map[string]any `json:"metadata"`
		} `json:"api_keys"`
	}
	err := in.client.Do(ctx, es.Call{Op: "list API keys", Decode: es.JSON(&answer), Request: es.Request{Method: "GET", Path: "/_security/api_key?active_only=true"}})
	if lacks(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, k := range answer.Keys {
		if k.Invalidated || k.Metadata["managed_by"] != soconfig.ManagedBy {
			continue
		}
		request, err := invalidation(k.ID)
		if err != nil {
			return nil, err
		}
		steps = append(steps, Step{Kind: "API key", Name: k.Name, Change: Remove, Why: "id " + k.ID, Request: request})
	}
	return steps, nil
}
