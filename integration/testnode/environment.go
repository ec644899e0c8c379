package testnode

import (
	"fmt"
	"os"
	"strings"
)

// The environment variables that name a cluster for tests; those of line 9 end in _9 (DWELL_TEST_ELASTICSEARCH_URL_9).
// Only the address is required; the others are for a private CA and for users.
const (
	envURL      = "DWELL_TEST_ELASTICSEARCH_URL"
	envCAFile   = "DWELL_TEST_ELASTICSEARCH_CA_FILE"
	envUsername = "DWELL_TEST_ELASTICSEARCH_USERNAME"
	envPassword = "DWELL_TEST_ELASTICSEARCH_PASSWORD"
	// envMayWipe allows deleting logs-* and every template of the cluster; see Cluster.Wipe. The command and Open set
	// it for clusters they start; for others the user sets it.
	envMayWipe = "DWELL_TEST_ELASTICSEARCH_MAY_WIPE"
	// envRequire makes a missing cluster a failure instead of a skip.
	envRequire = "DWELL_REQUIRE_ELASTICSEARCH"
)

// env is the variable's name for the line.
func (l Line) env(name string) string {
	if l == Line9 {
		return name + "_9"
	}
	return name
}

// fromEnvironment returns the cluster that the environment names for the line, or nil.
func fromEnvironment(line Line) *Cluster {
	url := strings.TrimRight(os.Getenv(line.env(envURL)), "/")
	if url == "" {
		return nil
	}
	return &Cluster{
		Line:     line,
		Origin:   "environment (" + line.env(envURL) + ")",
		URL:      url,
		CAFile:   os.Getenv(line.env(envCAFile)),
		Username: os.Getenv(line.env(envUsername)),
		Password: os.Getenv(line.env(envPassword)),
		mayWipe:  os.Getenv(line.env(envMayWipe)) == "1",
	}
}

// Environment returns the NAME=VALUE lines that name the cluster to the tests of a command.
func (c *Cluster) Environment() []string {
	lines := []string{c.Line.env(envURL) + "=" + c.URL}
	for _, v := range []struct{ name, value string }{
		{envCAFile, c.CAFile}, {envUsername, c.Username}, {envPassword, c.Password},
	} {
		// Set even if empty, to hide values of an outer cluster.
		lines = append(lines, fmt.Sprintf("%s=%s", c.Line.env(v.name), v.value))
	}
	if c.mayWipe {
		lines = append(lines, c.Line.env(envMayWipe)+"=1")
	}
	return lines
}

// Required reports whether DWELL_REQUIRE_ELASTICSEARCH=1 demands a cluster.
func Required() bool { return os.Getenv(envRequire) == "1" }
