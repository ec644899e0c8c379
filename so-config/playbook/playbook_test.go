package playbook

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

var update = flag.Bool("update", false, "write the files anew")

func TestFilesAreUpToDate(t *testing.T) {
	files, err := Files()
	require.NoError(t, err)
	for path, want := range files {
		path = filepath.Join("..", filepath.FromSlash(path))
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, want, 0o644)) //nolint:gosec // Nothing in it is secret.
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "run make generate")
	}
	for _, dir := range []string{"../soc/playbooks", "../soc/sigma"} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, len(files)/2, "%s has files that nothing makes", dir)
	}
}

// Every indicator that can be the main one has a playbook, found by its rule's uuid.
func TestEveryKindOfAlertHasAPlaybook(t *testing.T) {
	files, err := Files()
	require.NoError(t, err)
	for _, indicator := range hunt.Indicators() {
		rule := material.Rule([]string{indicator})
		require.Contains(t, files, "soc/playbooks/"+rule.UUID+".yaml", indicator)
		require.Contains(t, files, "soc/sigma/"+rule.UUID+".yml", indicator)
	}
}

// The format is what securityonion-soc reads (model/playbook.go): a question without a time is about the alert itself,
// a query is a Sigma fragment, and Security Onion can fill in every placeholder from dwell's alerts.
func TestPlaybooksAreOfSecurityOnionsForm(t *testing.T) {
	// The first ones are in Security Onion's placeholder map; the last is a field of the alerts, found by its name.
	known := []string{"document_id", "src_ip", "dst_ip", "dns.highest_registered_domain"}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	files, err := Files()
	require.NoError(t, err)
	ids := map[string]bool{}
	for path, b := range files {
		var p Playbook
		if err := yaml.Unmarshal(b, &p); err != nil || filepath.Ext(path) != ".yaml" {
			require.NoError(t, err, path)
			continue
		}
		require.Regexp(t, uuid, p.ID)
		require.False(t, ids[p.ID] || p.ID == p.DetectionID, "%s: ids are unique", path)
		ids[p.ID] = true
		require.Equal(t, "detection sigma", p.Type+" "+p.DetectionType)
		require.GreaterOrEqual(t, len(p.Questions), 8)
		for i, q := range p.Questions {
			require.NotEmpty(t, q.Context, q.Question)
			require.Equal(t, i > 0, q.Range != "", "%s: only the first is about the alert itself", q.Question)
			require.True(t, q.Range == "" || regexp.MustCompile(`^(-|\+/-)\d+[hd]$`).MatchString(q.Range), q.Range)
			var query struct {
				Logsource, Detection map[string]any
				Fields               []string
			}
			require.NoError(t, yaml.Unmarshal([]byte(q.Query), &query), q.Query)
			require.NotEmpty(t, query.Logsource["category"], q.Query)
			require.NotEmpty(t, query.Fields, q.Query)
			used := regexp.MustCompile(`%([^%]+)%`).FindAllStringSubmatch(q.Query, -1)
			require.NotEmpty(t, used, "%s: %s", path, q.Question)
			for _, m := range used {
				require.True(t, slices.Contains(known, m[1]), m[1])
			}
		}
	}
}
