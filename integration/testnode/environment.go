package testnode

import (
	"fmt"
	"os"
	"strings"
)

// The environment that names a cluster for tests. Line 9 has the same names with _9 at the end:
// DWELL_TEST_ELASTICSEARCH_URL_9. Only the address is needed; the others are for TLS by a CA of its own, and users.
const (
	envURL      = "DWELL_TEST_ELASTICSEARCH_URL"
	envCAFile   = "DWELL_TEST_ELASTICSEARCH_CA_FILE"
	envUsername = "DWELL_TEST_ELASTICSEARCH_USERNAME"
	envPassword = "DWELL_TEST_ELASTICSEARCH_PASSWORD"
	// envMayWipe says that logs-* and every template of the cluster may be deleted; see Cluster.Wipe. The command and
	// Open set it for what they started; a person who names a cluster says it himself.
	envMayWipe = "DWELL_TEST_ELASTICSEARCH_MAY_WIPE"
	// envRequire makes a missing cluster a failure instead of a skip.
	envRequire = "DWELL_REQUIRE_ELASTICSEARCH"
)

// name returns the variable's name for the line.
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
		// Set even when empty: a line of a cluster before this one must not show through.
		lines = append(lines, fmt.Sprintf("%s=%s", c.Line.env(v.name), v.value))
	}
	if c.mayWipe {
		lines = append(lines, c.Line.env(envMayWipe)+"=1")
	}
	return lines
}

// Required tells whether DWELL_REQUIRE_ELASTICSEARCH=1 forbids doing without a cluster.
func Required() bool { return os.Getenv(envRequire) == "1" }
