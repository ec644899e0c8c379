package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dwell/internal/es"
	"dwell/so-config"
)

// ownIndices are the names that an installation creates: three data streams and the index of dispositions.
func ownIndices() []string {
	return []string{soconfig.AlertStream, soconfig.DispositionStream, soconfig.FindingStream, soconfig.HuntStream}
}

// Check reports, before any change, which administrator privileges the credentials lack for Apply and CreateAPIKey. It
// is nil if there are none, or if the cluster has no security.
func (in *Installer) Check(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{
		"cluster": []string{"manage_index_templates", "manage_ilm", "manage_security", "monitor"},
		"index":   []any{map[string]any{"names": ownIndices(), "privileges": []string{"create_index", "manage", "view_index_metadata"}}},
	})
	if err != nil {
		return fmt.Errorf("encode the question for privileges: %w", err)
	}
	var answer struct {
		Username string                     `json:"username"`
		Cluster  map[string]bool            `json:"cluster"`
		Index    map[string]map[string]bool `json:"index"`
	}
	err = in.client.Do(ctx, es.Call{Op: "ask for privileges", Decode: es.JSON(&answer), Request: es.Request{Method: "POST", Path: "/_security/user/_has_privileges", Body: body}})
	if lacks(err) || es.Is(err, es.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	lacking := map[string]bool{}
	for privilege, has := range answer.Cluster {
		if !has {
			lacking[privilege] = true
		}
	}
	for index, privileges := range answer.Index {
		for privilege, has := range privileges {
			if !has {
				lacking[privilege+" on "+index] = true
			}
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return &es.Error{Kind: es.Permission, Op: "install", Reason: fmt.Sprintf("%s lacks %s; nothing was changed", answer.Username, strings.Join(slices.Sorted(maps.Keys(lacking)), ", ")),
		Hint: "use an administrator's credentials: set DWELL_ELASTICSEARCH_USERNAME and DWELL_ELASTICSEARCH_PASSWORD_FILE; on Security Onion that is so_elastic"}
}
