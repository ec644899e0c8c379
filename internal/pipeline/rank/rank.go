// Package rank is dwell's own ranking: it tests every candidate for rhythm and presence, joins candidates that share
// connections, and has evidence weighed.
package rank

import (
	"cmp"
	"context"
	"iter"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/internal/tile"
	"dwell/scoring"
)

// Profile is the ranking's name.
const Profile = "dwell"

// Ranking ranks by our own score (docs/facts/scoring.md). The zero value uses no evidence.
type Ranking struct {
	// Judges weigh evidence about the findings that have an indicator, in this order.
	Judges []evidence.Judge
	// Weights of the modifiers; nil means the defaults.
	Weights evidence.Weights
	// Servers are those that the site itself names.
	Servers Servers
}

// Profile is the ranking's name.
func (r Ranking) Profile() string { return Profile }

// Revisions identify the ranking's lists, rules and weights.
func (r Ranking) Revisions() []string {
	list := evidence.Revisions(r.Judges, r.Weights)
	if servers := r.Servers.revision(); servers != "" {
		list = append(list, servers)
	}
	return list
}

// Shown says that of what hosts show of themselves only names and fingerprints are needed.
func (r Ranking) Shown() bool { return false }

// Weight orders findings.
func (r Ranking) Weight(f *hunt.Finding) float64 { return f.Dwell.Score }

// Rank measures every candidate, has evidence weighed, and makes the findings.
func (r Ranking) Rank(ctx context.Context, m *material.Material) (_ *material.Ranked, err error) {
	s := &search{m: m, weights: r.Weights, servers: &r.Servers, lists: r.lists(), scattered: map[netip.Prefix]*scattered{}, byName: map[netip.Addr][]*key{}, everywhere: map[netip.Addr][]*evidence.Candidate{}, turning: map[netip.Addr]map[string]struct{}{}}
	s.shelf = tile.NewShelf(m.Memory.Folder, "candidates", m.Memory.Bytes/shelfShare)
	defer func() { err = cmp.Or(err, s.shelf.Close()) }()
	out := &material.Ranked{Sensitivity: &material.Sensitivity{Cut: max(material.Floor, m.MinScore), Hours: newHours(m.Window)}}
	found, remarks := r.suspects(ctx, m, s.lists)
	s.suspects = found
	out.Remarks.Add(remarks)
	subjects := s.run(ctx, out)
	if err := cmp.Or(ctx.Err(), m.Err(), s.shelf.Err()); err != nil {
		return nil, err
	}
	begun := m.Now()
	if err := r.weigh(ctx, m, subjects, out); err != nil {
		return nil, err
	}
	s.fold(out)
	out.Evidence = m.Now().Sub(begun)
	if m.Selftest && m.Window != (hunt.Window{}) && m.LooksFor("beacon") {
		out.Sensitivity.Selftest = s.selftest(ctx, m, out)
	}
	return out, cmp.Or(ctx.Err(), m.Err())
}

// weigh has every judge examine the candidates with an indicator, and makes findings of all of them.
func (r Ranking) weigh(ctx context.Context, m *material.Material, subjects []*evidence.Candidate, out *material.Ranked) error {
	var weighty []*evidence.Candidate
	for _, s := range subjects {
		if s.Indicators.Strongest() >= material.Floor || s.Suspect || m.About != nil && m.About(s.Finding) {
			weighty = append(weighty, s)
		}
	}
	if len(weighty) > 0 {
		h := &evidence.Hunt{Window: m.Window, Request: m.LookUp(), Source: m.Session, Missing: m.Missing}
		for _, j := range r.Judges {
			remarks, err := j.Judge(ctx, h, weighty)
			if err != nil {
				return err
			}
			out.Remarks.Add(remarks)
		}
	}
	is := func(s *evidence.Candidate) bool {
		return s.Finding.Dwell.Score >= min(material.Floor, m.MinScore)
	}
	n := 0
	for _, s := range subjects {
		anomalous(s)
		if s.Settle(); is(s) {
			n++
		}
	}
	out.Findings = slices.Grow(out.Findings, n) // a month has tens of thousands, of a kilobyte each
	for _, s := range subjects {
		if is(s) {
			out.Findings = append(out.Findings, *s.Finding)
		}
	}
	return nil
}

// anomalous makes a finding of a suspect with three independent protocol oddities and no other indicator.
func anomalous(s *evidence.Candidate) {
	if !s.Suspect || s.Indicators.Strongest() >= material.Floor || s.Oddities() < 3 {
		return
	}
	s.Indicators.Anomaly = material.Floor
	d := &s.Finding.Dwell
	d.Parts.Anomaly, d.Indicators, d.Reasons = material.Floor, []string{hunt.Anomaly}, nil
	s.Finding.Rule = material.Rule(d.Indicators)
	s.AtMost(scoring.Medium, "medium at most: protocol oddities without a rhythm are the only evidence")
}

// shelfShare is the part of hunt.memory for kept candidates; the rest goes to disk.
const shelfShare = 16

// search is one hunt. It measures every candidate first, because a rhythm's score depends on how many were tested, and
// then groups each source's keys into findings.
type search struct {
	m       *material.Material
	weights evidence.Weights

	shelf  *tile.Shelf
	mu     sync.Mutex
	byName map[netip.Addr][]*key
	found  []source
	spread *prevalence.Count
	alone  *alone
	// servers are those that the site names, roles what hosts do for others.
	servers *Servers
	roles   map[netip.Addr]role
	// requested are the domains that other hosts requested from a host, up to frontDomains.
	requested map[netip.Addr]requested
	// met are the hosts that several destinations answered, own the queries that hosts make for themselves.
	met map[netip.Addr]struct{}
	own []*pairs.Queries
	// everywhere are each source's candidates that stand for all its unshared destinations.
	everywhere map[netip.Addr][]*evidence.Candidate
	// turning are the owners of the unshared names of each source that has a candidate of them.
	turning  map[netip.Addr]map[string]struct{}
	dns      dns
	lists    []lister
	suspects *suspects
	// scattered are the sources of a /64 with almost no traffic.
	scattered map[netip.Prefix]*scattered
	// all are the habits of all hosts together, habits those of each, active the number of hours in which each is
	// active.
	all    habits
	habits map[netip.Addr]habits
	active map[netip.Addr]int
}

// source is an address with its keys that may become findings.
type source struct {
	src  netip.Addr
	keys []*key
	// hours is the number of those in which it is active at all, habits are those of its pairs.
	hours  int
	habits habits
}

// run measures keys by port, by name and by network, and makes a candidate of each finding.
func (s *search) run(ctx context.Context, out *material.Ranked) []*evidence.Candidate {
	m, named := s.m, s.m.Named
	var keys atomic.Int64
	probers := make([]*prober, pairs.Workers())
	for i := range probers {
		probers[i] = newProber(m, &keys)
		probers[i].lists, probers[i].suspects = s.lists, s.suspects
	}
	s.alone = s.newAlone(m, s.findRoles(), probers)
	s.queries(probers[0])
	if named != nil {
		named.Table.WalkSources(func(n int, src netip.Addr, of *pairs.Of) {
			if ctx.Err() == nil {
				keys := append(s.byOther(probers[n], of, probers[n].name), s.below(probers[n], src, of)...)
				s.keep(src, append(keys, s.unsharedNames(probers[n], src, of, keys)...))
			}
		})
		named.Prints.WalkSources(func(n int, src netip.Addr, of *pairs.Of) {
			if ctx.Err() == nil && m.Request.Scope.IsInternal(src) {
				s.keep(src, s.byOther(probers[n], of, probers[n].print))
			}
		})
	}
	m.Table.WalkSources(func(n int, src netip.Addr, of *pairs.Of) {
		if ctx.Err() == nil {
			s.addresses(probers[n], src, of)
		}
	})
	for src, keys := range s.byName { // sources in name logs alone
		s.found = append(s.found, source{src: src, keys: keys})
	}
	s.gather(probers[0])
	// Sums of habits are the same to the last digit only in one order.
	slices.SortFunc(s.found, func(a, b source) int { return a.src.Compare(b.src) })
	s.measureQueries(probers[0])
	s.dns.settle()
	tested := int(keys.Load())
	out.Sensitivity.Skipped = m.Skipped()
	for _, p := range probers {
		out.Connections += p.counts.Connections
		out.Pairs += p.counts.Pairs
		p.hours.addTo(out.Sensitivity.Hours)
		out.Sensitivity.Skipped.Networks += p.skipped
	}
	out.Scored = int64(tested)
	s.present()
	s.prune(tested)
	contacts := prevalence.Contacts{Addresses: m.Table, Named: named, Resolvers: resolvers(s.dns.all), Window: m.Window.Duration(), IsInternal: m.Request.Scope.IsInternal,
		IsProxy: func(a netip.Addr) bool { return s.roles[a]&(proxy|front) != 0 || within(s.servers.Proxies, a) }}
	s.spread = prevalence.Of(s.candidates(tested), contacts, material.Floor)
	of := make([][]*evidence.Candidate, len(s.found))
	pairs.OnAllCores(len(s.found), func(_, i int) { of[i] = s.grouped(s.found[i], tested) })
	subjects := slices.Concat(of...)
	s.addNames(subjects)
	s.vet(subjects)
	judged := s.judgeQueries(tested)
	s.answers(ctx, probers[0], judged, out)
	return append(subjects, s.querySubjects(judged, tested)...)
}

// prune scores the presence of each key, now that the number tested and the other hosts' habits are known, and drops
// the keys that are too weak.
func (s *search) prune(tested int) {
	pairs.OnAllCores(len(s.found), func(_, i int) {
		src := &s.found[i]
		src.keys = slices.DeleteFunc(src.keys, func(k *key) bool {
			s.take(k)
			defer k.letGo()
			k.shown = k.presence.Score(s.hoursOf(src.src), s.othersOf(src.src, s.isAlone(k)), tested)
			value := k.indicators(tested).Strongest()
			// only in the margin for RITA's numbers, or too weak
			return k.totals.Connections == 0 || value < material.Floor && value < s.m.MinScore && !k.odd
		})
	})
	s.found = slices.DeleteFunc(s.found, func(src source) bool { return len(src.keys) == 0 })
}

// grouped turns a source's keys into candidates, one a finding: the most specific key leads, and the finding names the
// others.
func (s *search) grouped(src source, tested int) []*evidence.Candidate {
	keys := make([]scoring.ScoredKey, 0, len(src.keys))
	for _, k := range src.keys {
		s.take(k)
		defer k.letGo()
		keys = append(keys, scoring.ScoredKey{Kind: k.kind, Score: k.indicators(tested).Strongest(), Period: k.beacon.MeanInterval(), Of: k.of.numbers()})
	}
	var out []*evidence.Candidate
	for _, story := range scoring.GroupKeys(keys) {
		lead := src.keys[story.Lead]
		sub := s.subject(lead, tested)
		sub.Names, sub.Suspect = lead.names, lead.odd
		if lead.Fingerprint.Kind == hunt.UnsharedNames { // no record has the key's own name
			for _, n := range lead.names {
				sub.Finding.Dwell.Evidence.Names = append(sub.Finding.Dwell.Evidence.Names, n.Name)
			}
		}
		if lead.Fingerprint.Kind == hunt.Unshared {
			s.mu.Lock()
			s.everywhere[src.src] = append(s.everywhere[src.src], sub)
			s.mu.Unlock()
		}
		var also, told []string
		for _, i := range story.Also {
			also = append(also, src.keys[i].String())
			if src.keys[i].kind != scoring.UnsharedKey { // a roll-up has no name that people know
				told = append(told, also[len(also)-1])
			}
		}
		if len(told) > 0 {
			sub.Last("same traffic as " + hunt.Listed(told))
		}
		sub.Finding.Dwell.Also = also[:min(len(also), maxAlso)]
		if s.m.About != nil && lead.indicators(tested).Strongest() < material.Floor {
			out = append(out, s.asked(src, story.Also, tested)...)
		}
		out = append(out, sub)
	}
	return out
}

// asked are the candidates of the pair to show, where a wider candidate without an indicator leads.
func (s *search) asked(src source, also []int, tested int) (out []*evidence.Candidate) {
	for _, i := range also {
		if sub := s.subject(src.keys[i], tested); s.m.About(sub.Finding) {
			sub.Names = src.keys[i].names
			out = append(out, sub)
		}
	}
	return out
}

// candidates returns the remaining keys of all sources for prevalence.
func (s *search) candidates(tested int) iter.Seq[*prevalence.Candidate] {
	return func(yield func(*prevalence.Candidate) bool) {
		for _, src := range s.found {
			for _, k := range src.keys {
				s.take(k)
				more := yield(k.candidate(tested))
				if k.letGo(); !more {
					return
				}
			}
		}
	}
}

// candidate is a key as prevalence needs it.
func (k *key) candidate(tested int) *prevalence.Candidate {
	return &prevalence.Candidate{PairKey: k.PairKey, Port: k.port, Several: (k.kind == scoring.NetworkKey || k.kind == scoring.UnsharedKey) && k.ports > 1, Addresses: k.addresses, Uses: k.uses, Showing: k.hosts,
		Beacon: k.beacon, Size: k.size, Regularity: k.beacon.Score(tested).Score, Long: k.long.Score}
}

// maxAlso is the number of other keys that a finding names.
const maxAlso = 20
