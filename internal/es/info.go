package es

import (
	"context"
	"errors"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Info identifies the answering cluster.
type Info struct {
	Name        string `json:"name"`
	ClusterName string `json:"cluster_name"`
	ClusterUUID string `json:"cluster_uuid"`
	Version     struct {
		Number string `json:"number"`
	} `json:"version"`
}

// Info requests the cluster's name and version, the cheapest check of address, certificate and credentials.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.Do(ctx, Call{Op: "connect to " + c.addresses[0], Request: esapi.InfoRequest{}, Decode: JSON(&info, "version")})
	return info, err
}

// Clock compares the cluster's time with this host's.
type Clock struct {
	// Now is the answering node's time halfway through the request, in milliseconds.
	Now time.Time
	// Skew is how far this host's clock is ahead of the node's, negative if behind. It is accurate to half of
	// RoundTrip.
	Skew, RoundTrip time.Duration
}

// MaxSkew is the maximum difference of the clocks: beyond it no hunts are scheduled.
const MaxSkew = 5 * time.Minute

// Off is the minimum difference of the clocks, in either direction.
func (c Clock) Off() time.Duration { return max(0, c.Skew.Abs()-c.RoundTrip/2) }

// Difference describes the difference, as in "5h0m0s ahead of".
func (c Clock) Difference() string {
	if c.Skew > 0 {
		return c.Skew.Abs().Round(time.Second).String() + " ahead of"
	}
	return c.Skew.Abs().Round(time.Second).String() + " behind"
}

// Clock gets the answering node's time from its statistics, because Elasticsearch sends no Date header. It needs the
// privilege monitor.
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
