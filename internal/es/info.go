package es

import (
	"context"
	"errors"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Info is who answers.
type Info struct {
	Name        string `json:"name"`
	ClusterName string `json:"cluster_name"`
	ClusterUUID string `json:"cluster_uuid"`
	Version     struct {
		Number string `json:"number"`
	} `json:"version"`
}

// Info asks the cluster for its name and version: the cheapest proof that address, certificate and credentials are good.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.Do(ctx, Call{Op: "connect to " + c.addresses[0], Request: esapi.InfoRequest{}, Decode: JSON(&info, "version")})
	return info, err
}

// Clock is the cluster's time beside ours.
type Clock struct {
	// Now is the answering node's time when the answer was halfway to us, in milliseconds.
	Now time.Time
	// Skew is how far our clock is ahead of the node's, negative when behind; it is known to half of RoundTrip.
	Skew, RoundTrip time.Duration
}

// MaxSkew is how far two clocks may be apart for a window to be called over: beyond it nothing is hunted by schedule.
const MaxSkew = 5 * time.Minute

// Off is how far the clocks are surely apart, whichever is ahead.
func (c Clock) Off() time.Duration { return max(0, c.Skew.Abs()-c.RoundTrip/2) }

// Difference is the difference in words, as in "5h0m0s ahead of".
func (c Clock) Difference() string {
	if c.Skew > 0 {
		return c.Skew.Abs().Round(time.Second).String() + " ahead of"
	}
	return c.Skew.Abs().Round(time.Second).String() + " behind"
}

// Clock asks the node that answers for its time, by its statistics: Elasticsearch sends no Date header. The privilege
// monitor is needed.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	var answer struct {
		Nodes map[string]struct {
			Timestamp int64 `json:"timestamp"`
		} `json:"nodes"`
	}
	before := time.Now()
	err := c.Do(ctx, Call{Op: "ask for the cluster's time", Decode: JSON(&answer, "nodes"),
		Request: esapi.NodesStatsRequest{NodeID: []string{"_local"}, Metric: []string{"jvm"}, FilterPath: []string{"nodes.*.timestamp"}}})
	if err != nil {
		return Clock{}, err
	}
	after := time.Now()
	for _, n := range answer.Nodes {
		rtt := after.Sub(before)
		now := time.UnixMilli(n.Timestamp).UTC()
		return Clock{Now: now, RoundTrip: rtt, Skew: before.Add(rtt / 2).Sub(now).Round(time.Millisecond)}, nil
	}
	return Clock{}, &Error{Kind: Fatal, Op: "ask for the cluster's time", Reason: "no node answered", Err: errors.New("empty nodes")}
}
