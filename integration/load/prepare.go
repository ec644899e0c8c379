package load

import (
	"context"
	"errors"
	"fmt"

	"dwell/integration/load/sodoc"
	"dwell/internal/es"
	"dwell/internal/securityonion"
)

// ErrRealGrid means that the cluster has Security Onion's own template for Zeek's documents.
var ErrRealGrid = errors.New("this looks like a real Security Onion grid (it has the index template so-zeek), whose sensors load their logs themselves; simulated traffic among real would be hunted as real: force it if you know better")

// prepare installs the substitute for Security Onion's template, or leaves the real one alone when forced to load
// beside it.
func prepare(ctx context.Context, client *es.Client, o Options) error {
	err := client.Do(ctx, es.Call{Op: "look for Security Onion's index template",
		Request: es.Request{Method: "GET", Path: "/_index_template/so-zeek"}})
	switch {
	case err == nil && !o.Force:
		return ErrRealGrid
	case err == nil:
		return nil
	case !es.Is(err, es.NotFound):
		return err
	}
	return client.Do(ctx, es.Call{Op: "put index template", Index: sodoc.TemplateName,
		Request: es.Request{Method: "PUT", Path: "/_index_template/" + sodoc.TemplateName, Body: sodoc.IndexTemplate(o.Shards)}})
}

// count returns the number of documents in the stream, including the newest; 0 if it does not exist.
func count(ctx context.Context, client *es.Client) (int, error) {
	path := "/" + securityonion.StreamZeek
	err := client.Do(ctx, es.Call{Op: "refresh", Index: securityonion.StreamZeek, Request: es.Request{Method: "POST", Path: path + "/_refresh"}})
	if es.Is(err, es.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var answer struct {
		Count  int `json:"count"`
		Shards struct {
			Total, Successful int
		} `json:"_shards"`
	}
	err = client.Do(ctx, es.Call{Op: "count documents", Index: securityonion.StreamZeek, Decode: es.JSON(&answer),
		Request: es.Request{Method: "GET", Path: path + "/_count"}})
	if err == nil && answer.Shards.Successful != answer.Shards.Total {
		err = fmt.Errorf("count documents in %s: %d of %d shards answered", securityonion.StreamZeek, answer.Shards.Successful, answer.Shards.Total)
	}
	return answer.Count, err
}
