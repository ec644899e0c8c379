package testnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// startWithin is how long a node may take to answer unless the caller's context ends sooner. An idle laptop needs 6 s;
// a busy CI host needed 30 s.
const startWithin = 3 * time.Minute

// Options configure a node.
type Options struct {
	// Line is the major version; zero means Line8.
	Line Line
	// Name is the node's name; empty means "test-0". Nodes that are each other's remotes need different names.
	Name string
	// Settings are node settings as in elasticsearch.yml, with comma-separated lists ("search.max_buckets": "1000").
	// They override those of Start.
	Settings map[string]string
	// Heap is the size of the Java heap, in Java's notation; empty means "1g".
	Heap string
	// FullJIT enables Java's optimizations as in production. Without them a node starts in half the time but is slower,
	// which suits tests and not measurements.
	FullJIT bool
	// Plain disables TLS and users on line 8. Line 9 never has them: Maven Central lacks its modules.
	Plain bool
	// Peer, if set, shares its certificate authority, user and password with this node, so that with TLS the two can be
	// each other's remote cluster (see Node.AddRemote).
	Peer *Node
	// Log receives the node's output; if nil, only errors show its end.
	Log io.Writer
}

// Node is a running Elasticsearch that this process started.
type Node struct {
	// URL is the HTTP address: https://127.0.0.1:PORT, or http:// without TLS.
	URL string
	// CAFile is the path of the PEM file that verifies URL; empty without TLS. It is removed with the node.
	CAFile string
	// Username and Password are a superuser's; empty without users.
	Username, Password string
	// Version is the server's version, such as 8.19.21.
	Version string
	// TransportAddress is the address for other nodes and clusters: 127.0.0.1:PORT.
	TransportAddress string
	// PID is the process id of the node's JVM, for tests that stop (SIGSTOP) or kill it.
	PID int

	build    build
	jvmFlags []string // used only by train
	options  Options
	secure   bool
	ca       *authority
	home     string
	process  *process
}

// Start starts a node and returns when it answers an authenticated request. The first start on a host fetches about 95
// MB of jars with Maven and compiles seven small classes; later ones take 4 to 6 s on two idle cores. ctx limits only
// the start. The caller must Stop the node. An error says what is missing (ErrNoJDK, ErrNoMaven), or has the output of
// Maven or javac, or the end of the node's log.
func Start(ctx context.Context, options Options) (*Node, error) {
	if options.Line == 0 {
		options.Line = Line8
	}
	if err := options.Line.Validate(); err != nil {
		return nil, err
	}
	if options.Name == "" {
		options.Name = "test-0"
	}
	if options.Heap == "" {
		options.Heap = "1g"
	}
	b, err := prepare(ctx, options.Line)
	if err != nil {
		return nil, err
	}
	n := &Node{build: b, options: options, secure: options.Line.hasSecurity() && !options.Plain}
	if err := n.makeHome(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(n.home))
	}
	if err := n.run(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// makeHome makes the node's directory: marker, configuration, credentials.
func (n *Node) makeHome() error {
	home, err := os.MkdirTemp("", "dwell-testnode-")
	if err != nil {
		return fmt.Errorf("make the test node's directory: %w", err)
	}
	n.home = home
	config := filepath.Join(home, "config")
	for _, dir := range []string{config, filepath.Join(home, "data"), filepath.Join(home, "tmp")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("make the test node's directory: %w", err)
		}
	}
	// The node removes its directory when its starter is gone; this file marks the directory as its own.
	if err := writeFiles(home, map[string][]byte{".dwell-testnode": nil}); err != nil {
		return err
	}
	if !n.secure {
		return nil
	}
	n.Username, n.Password = adminUser, newPassword()
	if peer := n.options.Peer; peer != nil {
		if peer.ca == nil {
			return fmt.Errorf("the test node's peer %s has no certificates to share: it was started without TLS", peer.options.Name)
		}
		n.ca, n.Password = peer.ca, peer.Password
	} else if n.ca, err = newAuthority(); err != nil {
		return err
	}
	n.CAFile = filepath.Join(config, "ca.pem")
	return errors.Join(n.ca.writeTo(config), writeUsers(config, n.Username, n.Password))
}

// run starts the process and waits until it answers.
func (n *Node) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("waited %s", startWithin))
	defer cancel()
	p, err := startProcess(n.build.java, n.arguments(), n.home, n.options.Log)
	if err != nil {
		return err
	}
	n.process, n.PID = p, p.cmd.Process.Pid
	ready, err := p.awaitReady(ctx)
	if err != nil {
		return err
	}
	scheme := "http://"
	if n.secure {
		scheme = "https://"
	}
	n.URL, n.TransportAddress, n.Version = scheme+ready["http"], ready["transport"], ready["version"]
	return n.awaitAnswer(ctx)
}

// arguments is the JVM's command line. It has no secrets, because every user on the host can read it.
func (n *Node) arguments() []string {
	args := []string{
		"-Xms" + n.options.Heap, "-Xmx" + n.options.Heap,
		"-Djava.io.tmpdir=" + filepath.Join(n.home, "tmp"),
		"-Djava.awt.headless=true",
		"-XX:+ExitOnOutOfMemoryError",
		"-XX:ErrorFile=" + filepath.Join(n.home, "tmp", "hs_err.log"),
	}
	if !n.options.FullJIT {
		args = append(args, "-XX:TieredStopAtLevel=1")
	}
	if n.build.release >= 24 {
		args = append(args, "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")
	}
	if _, err := os.Stat(n.build.archive); err == nil {
		args = append(args, "-XX:SharedArchiveFile="+n.build.archive)
	}
	args = append(args, n.jvmFlags...)
	args = append(args, "-cp", strings.Join(n.build.classPath, string(filepath.ListSeparator)), "dwell.testnode.TestNode", n.home)
	settings := n.settings()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, name+"="+settings[name])
	}
	return args
}

// settings are Elasticsearch's: a single node on loopback, with Security Onion's settings that matter to a client,
// overridden by the caller's.
func (n *Node) settings() map[string]string {
	s := map[string]string{
		"cluster.name":                     n.options.Name + "-cluster",
		"node.name":                        n.options.Name,
		"network.host":                     "127.0.0.1",
		"http.port":                        portOf(n.URL),
		"transport.port":                   portOf(n.TransportAddress),
		"discovery.type":                   "single-node",
		"logger.level":                     "info",
		"action.destructive_requires_name": "true",
		// A developer's disk may exceed the watermarks; tests of a full disk block the index themselves.
		"cluster.routing.allocation.disk.threshold_enabled": "false",
	}
	switch {
	case n.secure:
		maps.Copy(s, map[string]string{
			"xpack.license.self_generated.type":                    "basic",
			"xpack.security.enabled":                               "true",
			"xpack.security.http.ssl.enabled":                      "true",
			"xpack.security.http.ssl.key":                          "key.pem",
			"xpack.security.http.ssl.certificate":                  "cert.pem",
			"xpack.security.transport.ssl.enabled":                 "true",
			"xpack.security.transport.ssl.verification_mode":       "certificate",
			"xpack.security.transport.ssl.key":                     "key.pem",
			"xpack.security.transport.ssl.certificate":             "cert.pem",
			"xpack.security.transport.ssl.certificate_authorities": "ca.pem",
		})
	case n.options.Line.hasSecurity():
		s["xpack.license.self_generated.type"] = "basic"
		s["xpack.security.enabled"] = "false"
	}
	maps.Copy(s, n.options.Settings)
	return s
}

// portOf returns the port of the node's previous address, so that a restart keeps it, or 0 for any free one.
func portOf(address string) string {
	_, hostPort, found := strings.Cut(address, "://")
	if !found {
		hostPort = address
	}
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return "0"
	}
	return port
}

// awaitAnswer waits until the node lists its indices for its own user.
func (n *Node) awaitAnswer(ctx context.Context) error {
	a, err := newAPI(n.URL, n.CAFile, n.Username, n.Password)
	if err != nil {
		return err
	}
	defer a.close()
	// "/" is answered before the cluster's state is recovered; this is not.
	err = until(ctx, n.process.ended, func() error { return a.do(ctx, http.MethodGet, "/_resolve/index/logs-*", "", nil) })
	if err != nil {
		return n.process.explain(fmt.Sprintf("the test node started but does not answer: %v", err))
	}
	return nil
}

// AddRemote registers another node as this one's remote cluster name, and returns when they are connected, so that
// "name:index" can be searched here. With TLS one of them must be the other's Peer.
func (n *Node) AddRemote(ctx context.Context, name string, other *Node) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("waited %s", startWithin))
	defer cancel()
	a, err := newAPI(n.URL, n.CAFile, n.Username, n.Password)
	if err != nil {
		return err
	}
	defer a.close()
	setting := fmt.Sprintf(`{"persistent": {"cluster.remote.%s.seeds": [%q]}}`, name, other.TransportAddress)
	if err := a.do(ctx, http.MethodPut, "/_cluster/settings", setting, nil); err != nil {
		return fmt.Errorf("register the remote cluster %s: %w", name, err)
	}
	err = until(ctx, n.process.ended, func() error {
		var remotes map[string]struct{ Connected bool }
		if err := a.do(ctx, http.MethodGet, "/_remote/info", "", &remotes); err != nil {
			return err
		}
		if !remotes[name].Connected {
			return errors.New("not connected")
		}
		return nil
	})
	if err != nil {
		return n.process.explain(fmt.Sprintf("connect to the remote cluster %s: %v", name, err))
	}
	return nil
}

// Stop ends the node and removes its directory. It returns when both are gone; a second call does nothing.
func (n *Node) Stop() error {
	return errors.Join(n.Halt(), os.RemoveAll(n.home))
}

// Halt ends the node and keeps its data, for tests without a server. See Restart.
func (n *Node) Halt() error {
	if n.process == nil {
		return nil
	}
	err := n.process.stop(stopWithin)
	n.process = nil
	return err
}

// Restart ends the node if it runs, and starts it with the same address, data, certificates and user. ctx limits the
// start.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Halt(); err != nil {
		return err
	}
	if _, err := os.Stat(n.home); err != nil {
		return fmt.Errorf("restart the test node: it was stopped for good: %w", err)
	}
	return n.run(ctx)
}
