package testnode

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Exclusive waits until no other test, of this or another package, owns the cluster's fixed names (logs-*), empties
// them, and keeps them until this test ends. A test that calls it must not be the parent of parallel subtests that call
// it too.
func (c *Cluster) Exclusive(t testing.TB) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find the cache directory for the lock of the test cluster: %v", err)
	}
	locks := filepath.Join(cache, "dwell", "testnode", "locks")
	if err := os.MkdirAll(locks, 0o755); err != nil {
		t.Fatalf("make the directory for the lock of the test cluster: %v", err)
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(locks, lockName(c.URL))).Lock()
	if err != nil {
		t.Fatalf("lock the test cluster: %v", err)
	}
	t.Cleanup(unlock)
	if err := c.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// lockName makes a file name of an address, which identifies the cluster across packages.
func lockName(address string) string {
	return strings.NewReplacer("://", "-", ":", "-", "/", "-").Replace(address) + ".lock"
}

// Wipe deletes the cluster's data streams and indices named logs-*, and every index and component template that is not
// Elasticsearch's own. It refuses a cluster named by the environment, unless DWELL_TEST_ELASTICSEARCH_MAY_WIPE=1.
// Roles, API keys and policies stay.
func (c *Cluster) Wipe(ctx context.Context) error {
	if !c.mayWipe {
		return fmt.Errorf("wipe the test cluster %s: it was named by the environment and its logs-* would be deleted; "+
			"if nothing of value is there, set %s=1", c.URL, c.Line.env(envMayWipe))
	}
	if err := c.wipeData(ctx); err != nil {
		return fmt.Errorf("wipe the test cluster: %w", err)
	}
	if err := c.wipeTemplates(ctx); err != nil {
		return fmt.Errorf("wipe the test cluster: %w", err)
	}
	return nil
}

// wipeData deletes by full names: action.destructive_requires_name is on, as in Security Onion.
func (c *Cluster) wipeData(ctx context.Context) error {
	type named struct{ Name string }
	var found struct {
		Indices     []named
		DataStreams []named `json:"data_streams"`
	}
	if err := c.api.do(ctx, http.MethodGet, "/_resolve/index/logs-*", "", &found); err != nil {
		return err
	}
	for _, s := range found.DataStreams {
		if err := c.api.do(ctx, http.MethodDelete, "/_data_stream/"+url.PathEscape(s.Name), "", nil); err != nil {
			return err
		}
	}
	for _, i := range found.Indices {
		if err := c.api.do(ctx, http.MethodDelete, "/"+url.PathEscape(i.Name), "", nil); err != nil {
			return err
		}
	}
	return nil
}

// wipeTemplates deletes index templates before the component templates they use.
func (c *Cluster) wipeTemplates(ctx context.Context) error {
	type meta struct {
		Meta map[string]any `json:"_meta"`
	}
	var found struct {
		IndexTemplates []struct {
			Name string
			Body meta `json:"index_template"`
		} `json:"index_templates"`
		ComponentTemplates []struct {
			Name string
			Body meta `json:"component_template"`
		} `json:"component_templates"`
	}
	ours := func(name string, m map[string]any) bool {
		// dwelltest-* are the names of tests without an exclusive cluster, which may be running.
		return m["managed"] != true && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "dwelltest-")
	}
	if err := c.api.do(ctx, http.MethodGet, "/_index_template", "", &found); err != nil {
		return err
	}
	for _, t := range found.IndexTemplates {
		if ours(t.Name, t.Body.Meta) {
			if err := c.api.do(ctx, http.MethodDelete, "/_index_template/"+url.PathEscape(t.Name), "", nil); err != nil {
				return err
			}
		}
	}
	if err := c.api.do(ctx, http.MethodGet, "/_component_template", "", &found); err != nil {
		return err
	}
	for _, t := range found.ComponentTemplates {
		if ours(t.Name, t.Body.Meta) {
			if err := c.api.do(ctx, http.MethodDelete, "/_component_template/"+url.PathEscape(t.Name), "", nil); err != nil {
				return err
			}
		}
	}
	return nil
}
