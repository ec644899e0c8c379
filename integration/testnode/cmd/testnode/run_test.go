package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answer is the result of a command line.
type answer struct {
	code        int
	out, errOut string
}

func command(t *testing.T, args ...string) answer {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), args, stdio{strings.NewReader("typed in"), &out, &errOut})
	return answer{code, out.String(), errOut.String()}
}

// named sets the environment to a server that claims to be Elasticsearch of the version.
func named(t *testing.T, variable, version string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"version": {"number": %q}}`, version)
	}))
	t.Cleanup(server.Close)
	t.Setenv(variable, server.URL)
}

func TestCommandGetsTheClusterAndGivesItsExitCode(t *testing.T) {
	named(t, "DWELL_TEST_ELASTICSEARCH_URL", "8.18.6")
	named(t, "DWELL_TEST_ELASTICSEARCH_URL_9", "9.3.3")
	t.Setenv("DWELL_TEST_ELASTICSEARCH_USERNAME", "somebody")
	a := command(t, "-line", "8,9", "--", "sh", "-c",
		`echo "$DWELL_TEST_ELASTICSEARCH_URL $DWELL_TEST_ELASTICSEARCH_URL_9 $DWELL_TEST_ELASTICSEARCH_USERNAME"; cat; exit 7`)
	require.Equal(t, 7, a.code)
	require.Equal(t, fmt.Sprintf("%s %s somebody\ntyped in",
		os.Getenv("DWELL_TEST_ELASTICSEARCH_URL"), os.Getenv("DWELL_TEST_ELASTICSEARCH_URL_9")), a.out)
	require.Contains(t, a.errOut, "Elasticsearch 8.18.6 from the environment")
	require.Contains(t, a.errOut, "Elasticsearch 9.3.3 from the environment")
}

func TestSignalOfTheCommandIsItsExitCode(t *testing.T) {
	named(t, "DWELL_TEST_ELASTICSEARCH_URL", "8.18.6")
	require.Equal(t, 128+9, command(t, "--", "sh", "-c", "kill -9 $$").code)
}

func TestWithoutCommandPrintsTheEnvironmentUntilASignal(t *testing.T) {
	named(t, "DWELL_TEST_ELASTICSEARCH_URL", "8.18.6")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &firstWrite{then: cancel}
	require.Zero(t, run(ctx, nil, stdio{strings.NewReader(""), out, &bytes.Buffer{}}))
	require.Contains(t, out.String(), "export DWELL_TEST_ELASTICSEARCH_URL="+os.Getenv("DWELL_TEST_ELASTICSEARCH_URL")+"\n")
}

// firstWrite acts like a user who presses Ctrl-C as soon as something is printed.
type firstWrite struct {
	bytes.Buffer
	then func()
}

func (f *firstWrite) Write(b []byte) (int, error) {
	f.then()
	return f.Buffer.Write(b)
}

func TestMistakes(t *testing.T) {
	named(t, "DWELL_TEST_ELASTICSEARCH_URL", "9.3.3")
	named(t, "DWELL_TEST_ELASTICSEARCH_URL_9", "9.3.3")
	for _, test := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"unknown line", []string{"-line", "7"}, 2, "there are 8 and 9"},
		{"unknown flag", []string{"-nope"}, 2, "not defined"},
		{"cluster of the other line", []string{"--", "true"}, 1, `is version "9.3.3", and should be 8.x`},
		{"command that is not there", []string{"-line", "9", "--", "no-such-command-here"}, 1, "run no-such-command-here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := command(t, test.args...)
			require.Equal(t, test.code, a.code, a.errOut)
			require.Contains(t, a.errOut, test.says)
		})
	}
}

func TestCheck(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("DWELL_TEST_ELASTICSEARCH_URL", "")
	a := command(t, "-check")
	require.Equal(t, 1, a.code)
	require.Contains(t, a.errOut, "apt-get install openjdk-17-jdk-headless maven")

	named(t, "DWELL_TEST_ELASTICSEARCH_URL", "8.18.6")
	require.Zero(t, command(t, "-check").code)
	require.Zero(t, command(t, "-check", "-line", "8,9").code, "next to line 8, line 9 may be missing")
}

func TestOptional(t *testing.T) {
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("DWELL_TEST_ELASTICSEARCH_URL", "")

	t.Setenv("DWELL_REQUIRE_ELASTICSEARCH", "")
	a := command(t, "-optional", "--", sh, "-c", "exit 3")
	require.Equal(t, 3, a.code)
	require.Contains(t, a.errOut, "NOTE: nothing runs against Elasticsearch 8.x")

	t.Setenv("DWELL_REQUIRE_ELASTICSEARCH", "1")
	require.Equal(t, 1, command(t, "-optional", "--", sh, "-c", "exit 3").code)
}
