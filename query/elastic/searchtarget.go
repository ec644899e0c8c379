package elastic

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// place is where a hunt searches. It is determined once a hunt, and loses clusters that go away during it.
type place struct {
	// asked are the names as given. They never change, whatever is away: they are part of a hunt's id.
	asked []string
	// remotes are the clusters of names with a colon.
	remotes []string

	// midway is locked while missing clusters are looked for.
	midway sync.Mutex
	mu     sync.Mutex
	names  []string
	gaps   []hunt.Note
	notes  []hunt.Note
}

// now returns the names to search at present.
func (p *place) now() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.names
}

// lost returns the gaps so far.
func (p *place) lost() []hunt.Note {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.gaps)
}

// memo keeps the place of one hunt.
type memo struct {
	mu sync.Mutex
	at *place
}

// place determines what is searched, once a hunt.
func (s *Source) place(ctx context.Context) (*place, error) {
	if s.hunt == nil {
		return s.settle(ctx)
	}
	s.hunt.mu.Lock()
	defer s.hunt.mu.Unlock()
	if s.hunt.at != nil {
		return s.hunt.at, nil
	}
	p, err := s.settle(ctx)
	if err == nil {
		s.hunt.at = p
	}
	return p, err
}

// indices returns the names alone, with the notes about their choice.
func (s *Source) indices(ctx context.Context) ([]string, []hunt.Note, error) {
	p, err := s.place(ctx)
	if err != nil {
		return nil, nil, err
	}
	return p.now(), slices.Concat(p.notes, p.lost()), nil
}

// settle finds out where connections are: on a grid on all clusters that answer, and on this one if the grid's names do
// not include it.
func (s *Source) settle(ctx context.Context) (*place, error) {
	p := &place{names: s.opt.Index, notes: doubleCount(s.opt.Index)}
	auto := slices.Equal(s.opt.Index, []string{Auto})
	if !auto && !slices.ContainsFunc(p.names, grid) {
		p.asked = p.names
		return p, nil
	}
	remotes, err := s.remotes(ctx)
	switch {
	case es.Is(err, es.Permission) && auto:
		p.notes = append(p.notes, hunt.Note{What: "remote clusters could not be asked for, so only this cluster is searched",
			Hint: "grant the cluster privilege monitor, or name the indices"})
	case es.Is(err, es.Permission):
	case err != nil:
		return nil, err
	}
	if auto {
		p.names = securityonion.Indices(len(remotes) > 0)
	}
	p.asked, p.remotes = p.names, slices.Sorted(maps.Keys(remotes))
	if len(remotes) == 0 {
		return p, nil
	}
	if err := s.dropAway(ctx, p, remotes); err != nil {
		return nil, err
	}
	if auto {
		err = s.addOwn(ctx, p)
	}
	return p, err
}

// grid says whether a name is of other clusters.
func grid(name string) bool { return strings.Contains(name, ":") }

// remotes are the registered clusters, and whether they are connected. An empty answer is asked for twice: it would
// hide the whole grid.
func (s *Source) remotes(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	for range 2 {
		var answer map[string]struct {
			Connected bool `json:"connected"`
		}
		err := s.client.Do(ctx, es.Call{Op: "ask for remote clusters", Request: esapi.ClusterRemoteInfoRequest{}, Decode: es.JSON(&answer)})
		if err != nil {
			return nil, err
		}
		for name, r := range answer {
			out[name] = r.Connected
		}
		if len(out) > 0 {
			break
		}
	}
	return out, nil
}

// nowhere is a search that finds nothing: it shows which clusters and indices can be searched.
func nowhere(names []string, brief bool) es.SearchRequest {
	q := dsl.Search{Op: "search", Index: names, Query: dsl.None()}
	req := q.Request()
	req.Brief = brief
	return req
}

// passes says whether an error may be gone the next time.
func passes(err error) bool {
	return es.Is(err, es.Partial, es.Retryable, es.Timeout, es.Overload, es.TooBig, es.Unreachable, es.NotElasticsearch)
}

// costsItself says whether an error makes a gap of what it kept from being read, and the rest of the hunt continues.
func costsItself(err error) bool { return passes(err) || es.Is(err, es.Mapping) }

// dropAway finds the clusters of a place that cannot be searched, removes them and reports it: the others are hunted.
// If all are away, or none, that is an error.
func (s *Source) dropAway(ctx context.Context, p *place, connected map[string]bool) error {
	var of []string
	for _, r := range p.remotes {
		if slices.ContainsFunc(p.now(), func(n string) bool { return of1(n, r) }) {
			of = append(of, r)
		}
	}
	// One that is known to be away is not waited for: the next hunt over the window has it.
	brief := connected == nil || slices.ContainsFunc(of, func(r string) bool { return !connected[r] })
	all := s.client.Search(ctx, nowhere(p.now(), brief), func(es.SearchResult) error { return nil })
	if !passes(all) && !es.Is(all, es.NotFound) {
		return nil // whatever it is, the search itself will report it
	}
	var away []string
	var why error
	for _, r := range of {
		names := expand(p.now(), []string{r}, nil)
		err := s.client.Search(ctx, nowhere(names, true), func(es.SearchResult) error { return nil })
		if passes(err) || es.Is(err, es.NotFound) {
			away, why = append(away, r), err
		}
	}
	if len(away) == 0 || len(away) == len(of) && !slices.ContainsFunc(p.now(), func(n string) bool { return !grid(n) }) {
		return all
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = expand(p.names, of, away)
	p.gaps = append(p.gaps, hunt.Note{Where: strings.Join(away, ", "),
		What: fmt.Sprintf("the cluster could not be searched, so its connections are missing; the others were hunted: %v", why),
		Hint: "see GET _remote/info on the manager; hunt the window again when it is back"})
	return nil
}

// goOn removes the clusters that went away during a reading, and says whether there were any.
func (r *reading) goOn(ctx context.Context) bool {
	p := r.place
	if len(p.remotes) == 0 {
		return false
	}
	p.midway.Lock()
	defer p.midway.Unlock()
	if len(p.lost()) == 0 && r.src.dropAway(ctx, p, nil) != nil {
		return false
	}
	return len(p.lost()) > 0
}

// of1 says whether a name stands for indices of a cluster.
func of1(name, cluster string) bool {
	pattern, _, found := strings.Cut(name, ":")
	ok, err := path.Match(pattern, cluster)
	return found && err == nil && ok
}

// expand writes out a grid's names for some clusters, without those that are away.
func expand(names, clusters, away []string) (out []string) {
	for _, n := range names {
		_, plain, found := strings.Cut(n, ":")
		if !found {
			if away != nil {
				out = append(out, n)
			}
			continue
		}
		for _, c := range clusters {
			if of1(n, c) && !slices.Contains(away, c) {
				out = append(out, c+":"+plain)
			}
		}
	}
	return out
}

// addOwn adds this cluster's own indices if none of its remotes is itself: an administrator's remote must not hide
// them. A remote is this cluster if it has documents of this cluster.
func (s *Source) addOwn(ctx context.Context, p *place) error {
	own := securityonion.Indices(false)
	var ids []string
	for _, settled := range []bool{true, false} {
		filter := []any{only(datasetConn)}
		if settled { // new documents may not be on every copy of a shard yet
			filter = append(filter, dsl.Millis(fieldTime, object{"lt": s.opt.Now().Add(-15 * time.Minute).UnixMilli()}))
		}
		var err error
		if ids, err = s.ids(ctx, own, dsl.All(filter...)); err != nil || len(ids) > 0 {
			if err != nil {
				return cmp.Or(mayNot(err), err)
			}
			break
		}
	}
	if len(ids) == 0 {
		return nil // we have nothing that could be hidden
	}
	found, err := s.ids(ctx, p.now(), object{"ids": object{"values": ids}})
	if err != nil || len(found) > 0 {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names, p.asked = slices.Concat(own, p.names), slices.Concat(own, p.asked)
	p.notes = append(p.notes, hunt.Note{What: "this cluster is not among its own remotes, so it is searched beside them", Where: strings.Join(own, ", ")})
	return nil
}

// mayNot is nil for an index without permission: then we do not hide it.
func mayNot(err error) error {
	if es.Is(err, es.Permission, es.NotFound) {
		return nil
	}
	return err
}

// ids returns those of the newest documents that match.
func (s *Source) ids(ctx context.Context, names []string, query object) (ids []string, err error) {
	q := dsl.Search{Op: "look for documents of", Index: names, Query: query, Size: 5, Sort: newestFirst()}
	hits, err := dsl.Hits[dsl.Hit](ctx, s.client, q)
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids, err
}
