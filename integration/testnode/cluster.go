package testnode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Cluster is an Elasticsearch for tests, whatever its origin.
type Cluster struct {
	// Line is its major version.
	Line Line
	// Origin describes where it comes from, for display.
	Origin string
	// URL, CAFile, Username and Password are as in Node.
	URL, CAFile, Username, Password string
	// Version is the server's version.
	Version string
	// Node is set if this process started the cluster as a node.
	Node *Node

	mayWipe bool
	api     *api
	close   func() error
}

// Open finds or starts a cluster of the line: one named by the environment, else Docker Compose, else its own node with
// the given options (it sets Line). It returns when the cluster answers. The caller must Close it. If nothing can start
// it, the error wraps ErrNoJDK or ErrNoMaven.
func Open(ctx context.Context, line Line, options Options) (*Cluster, error) {
	if err := line.Validate(); err != nil {
		return nil, err
	}
	c, err := find(ctx, line, options)
	if err != nil {
		return nil, err
	}
	if err := c.readVersion(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func find(ctx context.Context, line Line, options Options) (*Cluster, error) {
	if c := fromEnvironment(line); c != nil {
		return c, nil
	}
	origin := "test node"
	if composeWorks(ctx) {
		c, err := composeUp(ctx, line, options.Log)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil || Available(line) != nil {
			return nil, err
		}
		// If Docker cannot fetch images, fall back to a node; the origin says what happened.
		origin += " (Docker is here, but: " + err.Error() + ")"
	}
	options.Line = line
	n, err := Start(ctx, options)
	if err != nil {
		return nil, err
	}
	return &Cluster{
		Line: line, Origin: origin, URL: n.URL, CAFile: n.CAFile, Username: n.Username, Password: n.Password,
		Node: n, mayWipe: true, close: n.Stop,
	}, nil
}

// Possible reports whether Open would find or could start a cluster of the line: nil, or an error that names what is
// missing. It starts nothing.
func Possible(ctx context.Context, line Line) error {
	if err := line.Validate(); err != nil {
		return err
	}
	if fromEnvironment(line) != nil || composeWorks(ctx) {
		return nil
	}
	return Available(line)
}

// Close stops what Open started; a cluster named by the environment keeps running.
func (c *Cluster) Close() error {
	if c.api != nil {
		c.api.close()
	}
	if c.close == nil {
		return nil
	}
	return c.close()
}

// readVersion asks the server for its version, which verifies address, CA and user.
func (c *Cluster) readVersion(ctx context.Context) error {
	a, err := newAPI(c.URL, c.CAFile, c.Username, c.Password)
	if err != nil {
		return err
	}
	c.api = a
	var root struct {
		Version struct{ Number string }
	}
	if err := a.do(ctx, http.MethodGet, "/", "", &root); err != nil {
		return fmt.Errorf("ask the test cluster from the %s for its version: %w", c.Origin, err)
	}
	c.Version = root.Version.Number
	if want := fmt.Sprintf("%d.", c.Line); !strings.HasPrefix(c.Version, want) {
		return fmt.Errorf("the test cluster from the %s is version %q, and should be %sx", c.Origin, c.Version, want)
	}
	return nil
}
