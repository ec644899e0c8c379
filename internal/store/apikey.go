package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"dwell/internal/es"
	"dwell/so-config"
)

// APIKey is a key that may do what dwell does and nothing else.
type APIKey struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Encoded is the secret, in the form that elasticsearch.api_key takes. It is shown by Elasticsearch only once.
	Encoded string `json:"encoded"`
}

// CreateAPIKey makes a key with the rights of so-config/elasticsearch/role/dwell.json. Each call makes another key; the
// older ones stay good.
func (in *Installer) CreateAPIKey(ctx context.Context, name string) (APIKey, error) {
	role, err := soconfig.HuntRole()
	if err != nil {
		return APIKey{}, err
	}
	body, err := json.Marshal(map[string]any{
		"name":             name,
		"role_descriptors": map[string]json.RawMessage{role.Name: role.Body},
		"metadata":         map[string]any{"managed_by": soconfig.ManagedBy, "version": role.Version},
	})
	if err != nil {
		return APIKey{}, fmt.Errorf("encode the request for an API key: %w", err)
	}
	var key APIKey
	err = in.client.Do(ctx, es.Call{Op: "create API key", Index: name, Once: true, Decode: es.JSON(&key),
		Request: Request{Method: "POST", Path: "/_security/api_key", Body: body}})
	var e *es.Error
	if errors.As(err, &e) && (e.Kind == es.Fatal || e.Kind == es.Retryable) && (e.Status == 400 || e.Status == 405 || e.Status == 500) && e.Type != "security_exception" {
		return key, fmt.Errorf("this cluster makes no API keys; are security and xpack.security.authc.api_key switched on? %w", err)
	}
	if err == nil && key.Encoded == "" {
		err = fmt.Errorf("create API key %s: the answer holds no key", name)
	}
	return key, err
}
