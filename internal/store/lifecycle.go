package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"dwell/internal/es"
	"dwell/so-config"
)

// lacks reports whether an error means that the cluster does not have this part of the API: a node without lifecycle
// management or security does not know the path.
func lacks(err error) bool {
	var e *es.Error
	return errors.As(err, &e) && e.Kind == es.Fatal && e.Type == "" && (e.Status == 400 || e.Status == 405 || e.Status == 410)
}

// planLifecycle installs the lifecycle policy if none has its name, and the component template that assigns it. An
// existing policy is kept: the administrator decides the retention.
func (in *Installer) planLifecycle(ctx context.Context) ([]Step, error) {
	policy, component, err := soconfig.Lifecycle()
	if err != nil {
		return nil, err
	}
	step := Step{Kind: string(policy.Kind), Name: policy.Name, Change: Create, Request: es.Request{Method: "PUT", Path: pathOf(policy), Body: policy.Body}}
	err = in.client.Do(ctx, es.Call{Op: "look for " + step.Kind, Index: step.Name, Request: es.Request{Method: "GET", Path: pathOf(policy)}})
	switch {
	case err == nil:
		step.Change, step.Why, step.Request = Keep, "how long things are kept is the administrator's to change", es.Request{}
	case lacks(err):
		return in.planRetention(ctx, step)
	case !es.Is(err, es.NotFound):
		return nil, err
	}
	tie, err := in.planTemplate(ctx, component)
	return []Step{step, tie}, err
}

// planRetention is for clusters without lifecycle policies. Data stream lifecycles, if available, delete by age;
// otherwise nothing is deleted, and the step says so.
func (in *Installer) planRetention(ctx context.Context, policy Step) ([]Step, error) {
	policy.Change, policy.Request = Skip, es.Request{}
	err := in.client.Do(ctx, es.Call{Op: "look for data stream lifecycles", Request: es.Request{Method: "GET", Path: "/_data_stream/*/_lifecycle"}})
	if lacks(err) {
		policy.Why = "this cluster has no lifecycle management: nothing is rolled over or deleted by age, so delete old findings yourself"
		return []Step{policy}, nil
	}
	if err != nil && !es.Is(err, es.NotFound) {
		return nil, err
	}
	policy.Why = "this cluster has data stream lifecycles in its place"
	component, err := soconfig.Retention()
	if err != nil {
		return nil, err
	}
	retention, err := in.planTemplate(ctx, component)
	return []Step{policy, retention}, err
}

// planRoles installs the roles, for users that are not API keys.
func (in *Installer) planRoles(ctx context.Context) (steps []Step, err error) {
	for _, get := range []func() (soconfig.Object, error){soconfig.HuntRole, soconfig.AnalystRole} {
		role, err := get()
		if err != nil {
			return nil, err
		}
		step, err := in.planRole(ctx, role)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (in *Installer) planRole(ctx context.Context, role soconfig.Object) (Step, error) {
	step := Step{Kind: string(role.Kind), Name: role.Name, Change: Create, Request: es.Request{Method: "PUT", Path: pathOf(role), Body: role.Body}}
	var there map[string]map[string]any
	err := in.client.Do(ctx, es.Call{Op: "look for role", Index: role.Name, Decode: es.JSON(&there), Request: es.Request{Method: "GET", Path: pathOf(role)}})
	switch {
	case es.Is(err, es.NotFound):
		return step, nil
	case lacks(err):
		step.Change, step.Why, step.Request = Skip, "security is switched off in this cluster", es.Request{}
		return step, nil
	case err != nil:
		return step, err
	}
	var ours map[string]any
	if err := json.Unmarshal(role.Body, &ours); err != nil {
		return step, fmt.Errorf("read so-config %s: %w", role.File, err)
	}
	meta, _ := there[role.Name]["metadata"].(map[string]any)
	version, _ := meta["version"].(float64)
	if meta["managed_by"] != soconfig.ManagedBy {
		return step, fmt.Errorf("plan the installation: the cluster has a role %s that is not dwell's: rename or delete it first", role.Name)
	}
	step.decide(int(version), role.Version, holds(there[role.Name], ours))
	return step, nil
}

// decide fills in what becomes of an object of dwell's that the cluster has in some version.
func (s *Step) decide(theirs, ours int, equal bool) {
	switch {
	case theirs > ours:
		s.Change, s.Why, s.Request = Keep, fmt.Sprintf("version %d is newer than this dwell's %d", theirs, ours), es.Request{}
	case equal:
		s.Change, s.Why, s.Request = Unchanged, fmt.Sprintf("version %d", theirs), es.Request{}
	case theirs < ours:
		s.Change, s.Why = Upgrade, fmt.Sprintf("version %d -> %d", theirs, ours)
	default:
		s.Change, s.Why = Upgrade, "somebody changed it"
	}
}

// holds reports whether the cluster's object contains everything in dwell's; additional members are its defaults. Lists
// must be equal: an additional privilege is a difference.
func holds(theirs, ours any) bool {
	want, ok := ours.(map[string]any)
	if !ok {
		a, isList := theirs.([]any)
		b, wantList := ours.([]any)
		if !isList || !wantList {
			return reflect.DeepEqual(theirs, ours)
		}
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !holds(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	have, ok := theirs.(map[string]any)
	if !ok {
		return false
	}
	for k, v := range want {
		if !holds(have[k], v) {
			return false
		}
	}
	return true
}
