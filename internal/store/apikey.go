package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"dwell/internal/es"
	"dwell/so-config"
)

// APIKey is a key with exactly dwell's privileges.
type APIKey struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Encoded is the secret in the form of elasticsearch.api_key. Elasticsearch shows it only once.
	Encoded string `json:"encoded"`
}

// KeyOptions are a key's purpose.
type KeyOptions struct {
	// Name is its name in the cluster.
	Name string
	// Analyst makes a key that reads and records dispositions, instead of one that hunts.
	Analyst bool
	// Alerts adds the privilege to read other tools' alerts, so that they are counted per host.
	Alerts bool
}

// CreateAPIKey creates a key with the privileges of so-config/elasticsearch/role. Each call creates another key; older
// ones stay valid.
func (in *Installer) CreateAPIKey(ctx context.Context, o KeyOptions) (APIKey, error) {
	role, err := soconfig.HuntRole()
	if o.Analyst {
		role, err = soconfig.AnalystRole()
	}
	if err == nil && o.Alerts {
		role, err = soconfig.WithAlerts(role)
	}
	if err != nil {
		return APIKey{}, err
	}
	body, err := json.Marshal(map[string]any{
		"name":             o.Name,
		"role_descriptors": map[string]json.RawMessage{role.Name: role.Body},
		"metadata":         map[string]any{"managed_by": soconfig.ManagedBy, "version": role.Version},
	})
	if err != nil {
		return APIKey{}, fmt.Errorf("encode the request for an API key: %w", err)
	}
	var key APIKey
	err = in.client.Do(ctx, es.Call{Op: "create API key", Index: o.Name, Once: true, Decode: es.JSON(&key),
		Request: es.Request{Method: "POST", Path: "/_security/api_key", Body: body}})
	var e *es.Error
	if errors.As(err, &e) && (e.Kind == es.Fatal || e.Kind == es.Retryable) && (e.Status == 400 || e.Status == 405 || e.Status == 500) && e.Type != "security_exception" {
		return key, fmt.Errorf("this cluster makes no API keys; are security and xpack.security.authc.api_key switched on? %w", err)
	}
	if err == nil && key.Encoded == "" {
		err = fmt.Errorf("create API key %s: the answer holds no key", o.Name)
	}
	return key, err
}

// InvalidateAPIKey invalidates a key that could not be saved. It works even after ctx has ended.
func (in *Installer) InvalidateAPIKey(ctx context.Context, key APIKey) error {
	request, err := invalidation(key.ID)
	if err != nil {
		return err
	}
	return in.client.Do(context.WithoutCancel(ctx), es.Call{Op: "invalidate API key", Index: key.Name, Request: request})
}

func invalidation(id string) (es.Request, error) {
	body, err := json.Marshal(map[string]any{"ids": []string{id}})
	if err != nil {
		return es.Request{}, fmt.Errorf("encode the removal of an API key: %w", err)
	}
	return es.Request{Method: "DELETE", Path: "/_security/api_key", Body: body}, nil
}
