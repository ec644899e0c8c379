package testnode

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// envHelper makes this test binary the short-lived starter of TestNodeDiesWithItsStarter.
const envHelper = "DWELL_TESTNODE_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(envHelper) == "1" {
		os.Exit(helper())
	}
	os.Exit(Main(m))
}

// helper starts a node, prints it and waits to be killed.
func helper() int {
	n, err := Start(context.Background(), Options{Heap: "512m"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(n.PID, n.home, strings.TrimPrefix(n.URL, "https://"))
	select {}
}

// start starts a node for one test, or skips the test if that is not possible.
func start(t *testing.T, options Options) *Node {
	t.Helper()
	skipIfMissing(t, options.Line)
	n, err := Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Stop()) })
	return n
}

func skipIfMissing(t *testing.T, line Line) {
	t.Helper()
	if err := Available(line); err != nil {
		if Required() && line == Line8 {
			t.Fatal(err)
		}
		t.Skip("SKIPPED:", err)
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	return !bytes.Contains(stat, []byte(") Z "))
}

func ask(t *testing.T, n *Node, caFile, password, method, path, body string, out any) error {
	t.Helper()
	a, err := newAPI(n.URL, caFile, n.Username, password)
	require.NoError(t, err)
	defer a.close()
	return a.do(t.Context(), method, path, body, out)
}

func TestLine8(t *testing.T) {
	var log bytes.Buffer
	a := start(t, Options{Line: Line8, Name: "a", Heap: "512m", Log: &log})
	require.True(t, strings.HasPrefix(a.Version, "8."), a.Version)

	t.Run("TLS is verified by the CA file and by nothing else", func(t *testing.T) {
		require.NoError(t, ask(t, a, a.CAFile, a.Password, http.MethodGet, "/", "", nil))
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, ask(t, a, "", a.Password, http.MethodGet, "/", "", nil), &unknown)
	})
	t.Run("a wrong password is refused", func(t *testing.T) {
		require.ErrorContains(t, ask(t, a, a.CAFile, "wrong", http.MethodGet, "/", "", nil), "401")
	})
	t.Run("no secret is on the command line or in the log", func(t *testing.T) {
		require.NotContains(t, strings.Join(a.arguments(), " "), a.Password)
		require.NotContains(t, a.process.log.String(), a.Password)
	})
	t.Run("a peer is a remote cluster", func(t *testing.T) {
		b := start(t, Options{Line: Line8, Name: "b", Heap: "512m", Peer: a})
		require.NoError(t, ask(t, b, b.CAFile, b.Password, http.MethodPut, "/far/_doc/1?refresh=true", `{"x": 1}`, nil))
		require.NoError(t, a.AddRemote(t.Context(), "bee", b))
		var found struct {
			Hits struct {
				Hits []struct {
					Index string `json:"_index"`
				}
			}
		}
		require.NoError(t, ask(t, a, a.CAFile, a.Password, http.MethodGet, "/*:far/_search", "", &found))
		require.Len(t, found.Hits.Hits, 1)
		require.Equal(t, "bee:far", found.Hits.Hits[0].Index)
	})
	t.Run("a restart keeps address, credentials and data", func(t *testing.T) {
		require.NoError(t, ask(t, a, a.CAFile, a.Password, http.MethodPut, "/kept/_doc/1?refresh=true", `{"x": 1}`, nil))
		url, pid := a.URL, a.PID
		require.NoError(t, a.Restart(t.Context()))
		require.Equal(t, url, a.URL)
		require.NotEqual(t, pid, a.PID)
		require.False(t, alive(t, pid))
		require.NoError(t, until(t.Context(), nil, func() error {
			return ask(t, a, a.CAFile, a.Password, http.MethodGet, "/kept/_doc/1", "", nil)
		}))
	})
	t.Run("stop leaves no process and no directory", func(t *testing.T) {
		require.NoError(t, a.Stop())
		require.False(t, alive(t, a.PID))
		require.NoDirExists(t, a.home)
		require.Contains(t, log.String(), "started {a}", "the log was passed on")
		require.Error(t, a.Restart(t.Context()), "what was stopped for good does not come back")
	})
}

func TestLine9(t *testing.T) {
	n := start(t, Options{Line: Line9, Heap: "512m"})
	require.True(t, strings.HasPrefix(n.Version, "9."), n.Version)
	require.True(t, strings.HasPrefix(n.URL, "http://127.0.0.1:"), n.URL)
	require.NoError(t, ask(t, n, "", "", http.MethodPut, "/_index_template/t",
		`{"index_patterns": ["logs-x-so"], "data_stream": {}, "priority": 501}`, nil))
	require.NoError(t, ask(t, n, "", "", http.MethodPut, "/logs-x-so/_create/1?refresh=true", `{"@timestamp": "2026-01-02T03:04:05Z"}`, nil))
	c := Cluster{Line: Line9, URL: n.URL, mayWipe: true}
	require.NoError(t, c.readVersion(t.Context()))
	require.NoError(t, c.Wipe(t.Context()))
	require.ErrorContains(t, c.api.do(t.Context(), http.MethodGet, "/logs-x-so/_count", "", nil), "404")
	require.ErrorContains(t, c.api.do(t.Context(), http.MethodGet, "/_index_template/t", "", nil), "404")
}

func TestNodeDiesWithItsStarter(t *testing.T) {
	skipIfMissing(t, Line8)
	starter := exec.Command(os.Args[0])
	starter.Env = append(os.Environ(), envHelper+"=1")
	starter.Stderr = os.Stderr
	out, err := starter.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, starter.Start())
	defer func() { _ = starter.Process.Kill() }() // It may have ended.
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var pid int
	var home, address string
	_, err = fmt.Sscan(line, &pid, &home, &address)
	require.NoError(t, err)
	require.True(t, alive(t, pid))

	require.NoError(t, starter.Process.Kill())
	require.Error(t, starter.Wait())

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, until(ctx, nil, func() error {
		if alive(t, pid) {
			return fmt.Errorf("process %d is alive", pid)
		}
		return nil
	}))
	require.NoDirExists(t, home)
	_, err = net.Dial("tcp", address)
	require.Error(t, err, "nobody listens")
}

func TestBadSettingShowsTheLog(t *testing.T) {
	skipIfMissing(t, Line8)
	t.Setenv("TMPDIR", t.TempDir())
	_, err := Start(t.Context(), Options{Heap: "512m", Settings: map[string]string{"no.such.setting": "1"}})
	require.ErrorContains(t, err, "ended before it answered")
	require.ErrorContains(t, err, "unknown setting [no.such.setting]")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left, "the directory is gone")
}

func TestExclusiveOwnsEmptyNames(t *testing.T) {
	c := ForTest(t, Line8)
	require.True(t, strings.HasPrefix(c.Version, "8."), c.Version)
	t.Run("fill", func(t *testing.T) {
		c.Exclusive(t)
		do := func(method, path, body string) {
			require.NoError(t, c.api.do(t.Context(), method, path, body, nil))
		}
		do(http.MethodPut, "/_component_template/selftest", `{"template": {}}`)
		do(http.MethodPut, "/_index_template/selftest",
			`{"index_patterns": ["logs-selftest-so"], "data_stream": {}, "priority": 501, "composed_of": ["selftest"]}`)
		do(http.MethodPut, "/logs-selftest-so/_create/1?refresh=true", `{"@timestamp": "2026-01-02T03:04:05Z"}`)
		do(http.MethodPut, "/logs-selftest.plain/_create/1?refresh=true", `{"x": 1}`)
	})
	t.Run("empty", func(t *testing.T) {
		c.Exclusive(t)
		for _, path := range []string{
			"/logs-selftest-so/_count", "/logs-selftest.plain/_count", "/_index_template/selftest", "/_component_template/selftest",
		} {
			require.ErrorContains(t, c.api.do(t.Context(), http.MethodGet, path, "", nil), "404", path)
		}
	})
}

func TestWipeRefusesWhatItWasNotGiven(t *testing.T) {
	t.Setenv(envURL, "https://siem.example:9200")
	t.Setenv(envMayWipe, "")
	c := fromEnvironment(Line8)
	require.ErrorContains(t, c.Wipe(t.Context()), "DWELL_TEST_ELASTICSEARCH_MAY_WIPE=1")
}

func TestEnvironmentRoundTrip(t *testing.T) {
	for _, line := range []Line{Line8, Line9} {
		want := Cluster{
			Line: line, URL: "https://127.0.0.1:1", CAFile: "/ca.pem", Username: "u", Password: "p", mayWipe: true,
			Origin: "environment (" + line.env("DWELL_TEST_ELASTICSEARCH_URL") + ")",
		}
		for _, v := range want.Environment() {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		require.Equal(t, &want, fromEnvironment(line))
	}
}

func TestMissingToolsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Available(Line8)
	require.ErrorContains(t, err, "apt-get install openjdk-17-jdk-headless maven")
	if _, none := findJDK(Line8); none != nil {
		require.ErrorIs(t, err, ErrNoJDK)
	} else {
		require.ErrorIs(t, err, ErrNoMaven)
	}
	require.Error(t, Available(7))
}

func TestReadJDK(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o755))
	}
	write("release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"21.0.4\"\nOS_ARCH=\"x86_64\"\n")
	write("bin/java", "")
	_, ok := readJDK(home)
	require.False(t, ok, "a runtime without javac is no JDK")
	write("bin/javac", "")
	j, ok := readJDK(home)
	require.True(t, ok)
	require.Equal(t, jdk{home: home, release: 21, version: "21.0.4"}, j)

	t.Setenv("JAVA_HOME", home)
	j, err := findJDK(Line9)
	require.NoError(t, err)
	require.Equal(t, home, j.home, "JAVA_HOME wins where it suits")
}

// What can be checked of the compose file without Docker.
func TestComposeFile(t *testing.T) {
	name, err := composeFile()
	require.NoError(t, err)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var file struct {
		Services map[string]struct {
			Image       string
			Ports       []string
			Environment map[string]string
			Healthcheck struct{ Test []string }
			DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, service := range []string{"setup", "elasticsearch", "kibana-user", "kibana"} {
		require.Contains(t, file.Services, service)
	}
	for name, s := range file.Services {
		require.Regexp(t, `^(elasticsearch|kibana):\$\{DWELL_TEST_STACK_VERSION:-8\.18\.6\}$`, s.Image, name)
		for _, port := range s.Ports {
			require.Regexp(t, `^127\.0\.0\.1:\$\{DWELL_TEST_[A-Z_]+:-\d+\}:\d+$`, port, "%s listens on loopback only", name)
		}
		for key, value := range s.Environment {
			if strings.Contains(key, "PASSWORD") {
				require.Regexp(t, `^\$\{DWELL_TEST_[A-Z_]+:\?`, value, "%s: %s has no default", name, key)
			}
		}
		for other, d := range s.DependsOn {
			require.Contains(t, file.Services, other)
			require.Contains(t, []string{"service_healthy", "service_completed_successfully"}, d.Condition, name)
		}
	}
	for _, service := range []string{"elasticsearch", "kibana"} {
		s := file.Services[service]
		require.Len(t, s.Ports, 1, service)
		require.NotEmpty(t, s.Healthcheck.Test, service)
		require.Contains(t, s.Healthcheck.Test[1], "--cacert", "%s is asked over verified TLS", service)
	}
	require.Equal(t, "true", file.Services["elasticsearch"].Environment["xpack.security.http.ssl.enabled"])
}
