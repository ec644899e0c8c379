package es

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es/scan"
)

// SearchRequest is one search. The client handles completeness, deadline and caching.
type SearchRequest struct {
	// Op is the operation for errors; empty means "search".
	Op string
	// Index are names, patterns and remote names ("*:logs-zeek-so").
	Index []string
	// Body is the request as JSON.
	Body []byte
	// FilterPath limits the answer to these paths, besides those that every answer needs ("aggregations.page.buckets").
	// Empty means everything.
	FilterPath []string
	// Preference routes repeated searches to the same shard copies ("dwell"); empty lets the cluster choose.
	Preference string
	// MissingOK treats names that do not exist as empty instead of an error.
	MissingOK bool
	// ToTheEnd means that decode reads Aggregations to the end and treats anything after them as an error. They are
	// then not scanned first for their end, which saves time for large answers.
	ToTheEnd bool
	// Smaller and Brief are as in Call.
	Smaller, Brief bool
}

// SearchResult is a complete answer. The raw parts are valid until decode returns.
type SearchResult struct {
	// Shards is the number of shards searched, including skipped ones.
	Shards int
	// Hits and Aggregations are raw JSON, nil if absent.
	Hits, Aggregations []byte
}

// Search sends a search and passes its answer to decode only if it is complete: not timed out, no shard failed or
// missing, no cluster skipped. Otherwise it returns an *Error of kind Partial, or of the first shard failure's kind if
// that says what to do (TooBig, Overload, Timeout). Canceling ctx closes the connection, which makes the server cancel
// the search.
func (c *Client) Search(ctx context.Context, req SearchRequest, decode func(SearchResult) error) error {
	no, yes := false, true
	r := esapi.SearchRequest{Index: req.Index, Body: bytes.NewReader(req.Body), Preference: req.Preference, AllowPartialSearchResults: &no, RequestCache: &no}
	if req.MissingOK {
		r.IgnoreUnavailable, r.AllowNoIndices = &yes, &yes
	}
	// Slightly less than the client's deadline, so that the server times out first and reports it.
	r.Timeout = c.timeout * 9 / 10
	if len(req.FilterPath) > 0 {
		r.FilterPath = append([]string{"took", "timed_out", "terminated_early", "_shards", "_clusters"}, req.FilterPath...)
	}
	op := orText(req.Op, "search")
	index := joinIndex(req.Index)
	return c.Do(ctx, Call{Op: op, Index: index, Request: r, Smaller: req.Smaller, Brief: req.Brief, Decode: func(b []byte) error {
		res, err := decodeSearch(b, req.ToTheEnd)
		if err != nil {
			return err
		}
		return decode(res)
	}})
}

func joinIndex(names []string) string {
	var b []byte
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, n...)
	}
	return oneLine(string(b))
}

// shards is the _shards object of a search answer.
type shards struct {
	Total      int            `json:"total"`
	Successful int            `json:"successful"`
	Skipped    int            `json:"skipped"`
	Failed     int            `json:"failed"`
	Failures   []ShardFailure `json:"failures"`
}

// clusters is the _clusters object of a cross-cluster answer.
type clusters struct {
	Total      int `json:"total"`
	Successful int `json:"successful"`
	Skipped    int `json:"skipped"`
	Running    int `json:"running"`
	Partial    int `json:"partial"`
	Failed     int `json:"failed"`
	Details    map[string]struct {
		Status string `json:"status"`
	} `json:"details"`
}

// away returns the clusters without a complete answer, with their status.
func (c *clusters) away() (names []string) {
	for name, d := range c.Details {
		if d.Status != "" && d.Status != "successful" {
			names = append(names, name+" "+d.Status)
		}
	}
	slices.Sort(names)
	return names
}

// decodeSearch is the only place where a 200 is checked for success.
func decodeSearch(b []byte, toTheEnd bool) (SearchResult, error) {
	var (
		res      SearchResult
		sh       *shards
		cl       clusters
		timedOut bool
		early    bool
		knowTime bool
		s        scan.Scanner
	)
	s.Reset(b)
	s.Object()
	for k, ok := s.Key(); ok; k, ok = s.Key() {
		switch string(k) {
		case "timed_out":
			timedOut, knowTime = s.Bool(), true
		case "terminated_early":
			early = s.Bool()
		case "_shards":
			sh = new(shards)
			if err := json.Unmarshal(s.Raw(), sh); err != nil {
				s.Fail(err)
			}
		case "_clusters":
			if err := json.Unmarshal(s.Raw(), &cl); err != nil {
				s.Fail(err)
			}
		case "hits":
			res.Hits = s.Raw()
		case "aggregations":
			if rest, ok := bytes.CutSuffix(bytes.TrimRight(s.Rest(), " \n\r\t"), []byte("}")); ok && toTheEnd && sh != nil && knowTime {
				res.Aggregations, res.Shards = rest, sh.Total
				return res, complete(sh, &cl, timedOut, early)
			}
			res.Aggregations = s.Raw()
		default:
			s.Skip()
		}
	}
	if !s.End() {
		return res, fmt.Errorf("search answer: %w", s.Err())
	}
	if sh == nil || !knowTime {
		return res, &Error{Kind: Partial, Status: 200, Reason: "the answer does not say whether it is complete (no _shards or timed_out)"}
	}
	res.Shards = sh.Total
	return res, complete(sh, &cl, timedOut, early)
}

func complete(sh *shards, cl *clusters, timedOut, early bool) error {
	away := cl.away()
	switch {
	case sh.Failed > 0:
		return shardError(sh)
	case timedOut:
		e := &Error{Kind: Timeout, Status: 200, Reason: "the search timed out on the server (timed_out in a 200)"}
		e.Hint = hint(e)
		return e
	case early:
		return &Error{Kind: Partial, Status: 200, Reason: "the search ended before it saw every document (terminated_early in a 200)",
			Hint: "something limits searches on the cluster or before it"}
	case cl.Skipped+cl.Failed+cl.Partial+cl.Running+len(away) > 0 || cl.Successful != cl.Total:
		reason := fmt.Sprintf("%d of %d clusters answered in full (%d skipped, %d failed, %d in part)", cl.Successful, cl.Total, cl.Skipped, cl.Failed, cl.Partial)
		if len(away) > 0 {
			reason += ": " + oneLine(strings.Join(away, ", "))
		}
		return &Error{Kind: Partial, Status: 200, Reason: reason, Hint: "a remote cluster of the grid is not available: see GET _remote/info"}
	case sh.Successful != sh.Total && sh.Successful+sh.Skipped != sh.Total:
		return &Error{Kind: Partial, Status: 200,
			Reason: fmt.Sprintf("%d of %d shards answered (%d skipped)", sh.Successful, sh.Total, sh.Skipped)}
	}
	return nil
}

// shardError reports how many shards failed and why the first did. Its kind is that of the failure if it says what to
// do, otherwise Partial.
func shardError(sh *shards) *Error {
	e := &Error{Kind: Partial, Status: 200, Reason: fmt.Sprintf("%d of %d shards failed", sh.Failed, sh.Total)}
	if len(sh.Failures) == 0 {
		return e
	}
	f := sh.Failures[0]
	c := Classify("", f.Index, 200, f.Reason)
	switch c.Kind {
	case TooBig, Overload, Timeout, Mapping, Permission:
		e.Kind, e.Hint = c.Kind, c.Hint
	case Fatal, Retryable, Auth, NotFound, Partial, TLS, Unreachable, NotElasticsearch, ClusterBlock, Conflict, Canceled:
		e.Hint = "see GET _cluster/health and the server's log"
	}
	e.Type = c.Type
	e.Reason = oneLine(fmt.Sprintf("%s, the first of %s[%d]: %s", e.Reason, f.Index, f.Shard, orText(c.Reason, c.Type)))
	return e
}
