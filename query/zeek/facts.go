package zeek

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"dwell/internal/hunt"
)

var _ hunt.FactSource = (*Source)(nil)

const (
	// relogged is how long Zeek does not log a certificate again that it has logged.
	relogged = 24 * time.Hour
	// maxValues bounds the different values of a kind that are kept for a key: more come only from hostile data.
	maxValues = 10_000
)

// Facts implements [hunt.FactSource] in two passes over the logs beside conn: the first keeps what concerns the wanted
// keys, the second looks for the certificates they showed and how far their fingerprints and user agents are spread.
// Nothing else is held.
func (s *Source) Facts(ctx context.Context, req hunt.Request, wanted []hunt.PairKey) (hunt.FactBook, []hunt.Note, error) {
	g := newGathering(req, wanted)
	q := Query{Paths: s.opts.Paths, From: req.From, To: req.To, Workers: s.opts.Workers,
		Kinds: []Kind{SSLLog, OpenSSL, HTTPLog, OpenHTTP, DNSLog, Weird, Notice, Intel},
		Fields: append(flowFields(), "server_name", "ja3", "ja4", "subject", "issuer", "validation_status", "cert_chain_fps", "cert_chain_fuids",
			"method", "host", "uri", "user_agent", "resp_mime_types", "query", "answers", "name", "note",
			"seen.indicator", "seen.indicator_type", "sources")}
	first, err := Records(ctx, q, g.keep)
	if err != nil {
		return hunt.FactBook{}, nil, err
	}
	g.wish()
	q.Kinds, q.From = []Kind{SSLLog, OpenSSL, HTTPLog, OpenHTTP, X509}, req.From.Add(-relogged)
	q.Fields = append(flowFields(), "ja3", "ja4", "user_agent", "id", "fingerprint", "certificate.subject", "certificate.issuer",
		"certificate.not_valid_before", "certificate.not_valid_after", "san.dns")
	second, err := Records(ctx, q, g.spread)
	if err != nil {
		return hunt.FactBook{}, nil, err
	}
	// What reads them first tells everything about the logs of names; x509, weird, notice and intel are read here alone.
	var notes []hunt.Note
	for _, n := range append(append(first.Gaps, second.Gaps...), second.Notes...) {
		switch kindOfName(n.Where) {
		case X509, Weird, Notice, Intel:
			notes = append(notes, n)
		}
	}
	return g.book(), notes, nil
}

// gathering collects facts from several goroutines.
type gathering struct {
	req    hunt.Request
	wanted []hunt.PairKey
	// bySource finds the keys of a source, byAddress the keys whose destination a DNS answer may name.
	bySource  map[netip.Addr][]int
	byAddress map[netip.Addr][]int

	mu      sync.Mutex
	of      []gathered
	queries map[netip.Addr]int64
	records map[string]int64
	// traits are the values whose spread is wanted, by kind; certificates those that were shown, by hash or file id.
	traits       [3]map[string]*spread
	certificates map[string]*hunt.Certificate
	hosts        [2]map[netip.Addr]struct{}
}

// The kinds of traits.
const (
	traitJA3 = iota
	traitJA4
	traitAgent
)

// spread counts different machines, up to hunt.TraitSpread.
type spread struct{ hosts, destinations []netip.Addr }

func (s *spread) add(src, dst netip.Addr) {
	addOnce(&s.hosts, src)
	addOnce(&s.destinations, dst)
}

func addOnce(list *[]netip.Addr, a netip.Addr) {
	if len(*list) >= hunt.TraitSpread {
		return
	}
	for _, b := range *list {
		if a == b {
			return
		}
	}
	*list = append(*list, a)
}

// tally counts values.
type values map[string]int64

func (v *values) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if *v == nil {
		*v = values{}
	}
	if n, ok := (*v)[string(b)]; ok || len(*v) < maxValues {
		(*v)[string(b)] = n + 1
	}
}

// shown is a certificate as an ssl record names it.
type shown struct{ id, subject, issuer string }

// intelSeen is an indicator with the lists it is from.
type intelSeen struct {
	kinds, sources values
	count          int64
}

// gathered are the facts of one key as they come.
type gathered struct {
	facts                                         hunt.Facts
	serverNames, validation, hosts, methods, mime values
	weird, notices, names                         values
	traits                                        [3]values
	certificates                                  map[shown]int64
	contents                                      map[hunt.Content]int64
	uris                                          values
	intel                                         map[string]*intelSeen
}

func newGathering(req hunt.Request, wanted []hunt.PairKey) *gathering {
	g := &gathering{req: req, wanted: wanted, of: make([]gathered, len(wanted)), bySource: map[netip.Addr][]int{}, byAddress: map[netip.Addr][]int{},
		queries: map[netip.Addr]int64{}, records: map[string]int64{}, certificates: map[string]*hunt.Certificate{},
		hosts: [2]map[netip.Addr]struct{}{{}, {}}, traits: [3]map[string]*spread{{}, {}, {}}}
	for i, k := range wanted {
		if k.DNS != "" {
			continue
		}
		g.bySource[k.Src] = append(g.bySource[k.Src], i)
		if k.Kind() == "address" {
			g.byAddress[k.Dst] = append(g.byAddress[k.Dst], i)
		}
	}
	return g
}

// concerns says whether a record between two machines, with the name that was used, belongs to a key.
func concerns(k *hunt.PairKey, dst netip.Addr, port uint16, name string, named bool) bool {
	switch {
	case k.Name != "" && named:
		return k.Name == name
	case k.Name != "":
		return k.Dst == dst
	case k.Network.IsValid():
		return k.Network.Contains(dst)
	}
	return k.Dst == dst && (k.AnyPort || k.Port == port)
}

// keep takes what concerns the wanted keys.
func (g *gathering) keep(r *Record) error {
	src := r.Addr("id.orig_h")
	kind := r.Kind.closed()
	g.mu.Lock()
	g.records[string(kind)]++
	g.mu.Unlock()
	if kind == DNSLog {
		g.answers(r, src)
		return nil
	}
	keys := g.bySource[src]
	if len(keys) == 0 {
		return nil
	}
	dst, port, name := r.Addr("id.resp_h"), r.Port("id.resp_p"), ""
	switch kind {
	case SSLLog:
		name = hunt.HostName(string(r.Text("server_name")))
	case HTTPLog:
		name = hunt.HostName(string(r.Text("host")))
	}
	indicator := ""
	if kind == Intel {
		indicator = hunt.HostName(string(r.Text("seen.indicator")))
	}
	for _, i := range keys {
		if k := &g.wanted[i]; k.Fingerprint.Kind != hunt.NoFingerprint {
			if kind != SSLLog || k.Port != port || k.Fingerprint != hunt.FingerprintOf(string(r.Text("ja4")), string(r.Text("ja3")), name) {
				continue
			}
		} else if asked := indicator != "" && k.Name == indicator; !asked && !concerns(k, dst, port, name, kind == SSLLog || kind == HTTPLog) {
			continue
		}
		g.mu.Lock()
		switch kind {
		case SSLLog:
			g.of[i].tls(r, name)
		case HTTPLog:
			g.of[i].http(r, name)
		case Weird:
			g.of[i].weird.add(r.Text("name"))
		case Notice:
			g.of[i].notices.add(r.Text("note"))
		case Intel:
			g.of[i].saw(r)
		}
		g.mu.Unlock()
	}
	return nil
}

func (g *gathering) answers(r *Record, src netip.Addr) {
	if len(g.bySource[src]) > 0 {
		g.mu.Lock()
		g.queries[src]++
		g.mu.Unlock()
	}
	for text := range r.List("answers") {
		a, ok := parseAddr(text)
		if !ok {
			continue
		}
		for _, i := range g.byAddress[a] {
			name := hunt.HostName(string(r.Text("query")))
			g.mu.Lock()
			g.of[i].names.add([]byte(name))
			g.mu.Unlock()
		}
	}
}

func (f *gathered) tls(r *Record, name string) {
	t := &f.facts.TLS
	t.Records++
	if name == "" {
		t.NoName++
	}
	f.serverNames.add([]byte(name))
	f.validation.add(r.Text("validation_status"))
	f.traits[traitJA3].add(r.Text("ja3"))
	f.traits[traitJA4].add(r.Text("ja4"))
	c := shown{subject: string(r.Text("subject")), issuer: string(r.Text("issuer"))}
	for _, list := range []string{"cert_chain_fps", "cert_chain_fuids"} {
		for id := range r.List(list) {
			c.id = string(id)
			break
		}
		if c.id != "" {
			break
		}
	}
	if c == (shown{}) {
		return
	}
	if f.certificates == nil {
		f.certificates = map[shown]int64{}
	}
	if n, ok := f.certificates[c]; ok || len(f.certificates) < maxValues {
		f.certificates[c] = n + 1
	}
}

func (f *gathered) http(r *Record, host string) {
	f.facts.HTTP.Requests++
	if host == "" {
		f.facts.HTTP.NoHost++
	}
	f.hosts.add([]byte(host))
	f.methods.add(r.Text("method"))
	f.traits[traitAgent].add(r.Text("user_agent"))
	uri := r.Text("uri")
	f.uris.add(uri)
	for mime := range r.List("resp_mime_types") {
		f.mime.add(mime)
		c := hunt.Content{URI: string(uri), MIME: string(mime)}
		if f.contents == nil {
			f.contents = map[hunt.Content]int64{}
		}
		if n, ok := f.contents[c]; ok || len(f.contents) < maxValues {
			f.contents[c] = n + 1
		}
	}
}

func (f *gathered) saw(r *Record) {
	indicator := r.Text("seen.indicator")
	x := f.intel[string(indicator)]
	if len(indicator) == 0 || x == nil && len(f.intel) >= maxValues {
		return
	}
	if f.intel == nil {
		f.intel = map[string]*intelSeen{}
	}
	if x == nil {
		x = &intelSeen{}
		f.intel[string(indicator)] = x
	}
	x.count++
	x.kinds.add(r.Text("seen.indicator_type"))
	for source := range r.List("sources") {
		x.sources.add(source)
	}
}

// wish settles what the second pass looks for.
func (g *gathering) wish() {
	for i := range g.of {
		f := &g.of[i]
		for kind, values := range f.traits {
			for _, v := range hunt.Top(values) {
				g.traits[kind][v.Value] = &spread{}
			}
		}
		for c := range f.certificates {
			if c.id != "" {
				g.certificates[c.id] = nil
			}
		}
	}
}

// spread is the second pass.
func (g *gathering) spread(r *Record) error {
	kind := r.Kind.closed()
	if kind == X509 {
		g.mu.Lock()
		g.records[string(kind)]++
		g.mu.Unlock()
		g.certificate(r)
		return nil
	}
	src := r.Addr("id.orig_h")
	if r.Start < g.req.From.UnixMilli() || !g.req.Scope.IsInternal(src) {
		return nil
	}
	dst := r.Addr("id.resp_h")
	look := func(trait, population int, value []byte) {
		if len(value) == 0 {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.hosts[population][src] = struct{}{}
		if s := g.traits[trait][string(value)]; s != nil {
			s.add(src, dst)
		}
	}
	if kind == HTTPLog {
		look(traitAgent, 1, r.Text("user_agent"))
		return nil
	}
	look(traitJA3, 0, r.Text("ja3"))
	look(traitJA4, 0, r.Text("ja4"))
	return nil
}

func (g *gathering) certificate(r *Record) {
	for _, field := range []string{"fingerprint", "id"} {
		id := string(r.Text(field))
		g.mu.Lock()
		have, wanted := g.certificates[id]
		g.mu.Unlock()
		if id == "" || !wanted || have != nil {
			continue
		}
		c := &hunt.Certificate{Hash: string(r.Text("fingerprint")), Subject: string(r.Text("certificate.subject")), Issuer: string(r.Text("certificate.issuer")),
			NotBefore: r.Time("certificate.not_valid_before"), NotAfter: r.Time("certificate.not_valid_after")}
		for name := range r.List("san.dns") {
			if len(c.Names) < 100 {
				c.Names = append(c.Names, string(name))
			}
		}
		g.mu.Lock()
		g.certificates[id] = c
		g.mu.Unlock()
	}
}

// book puts everything together.
func (g *gathering) book() hunt.FactBook {
	out := hunt.FactBook{Facts: make([]hunt.Facts, len(g.of)), TLSHosts: len(g.hosts[0]), HTTPHosts: len(g.hosts[1]), Records: g.records}
	for i := range g.of {
		f := &g.of[i]
		f.facts.TLS.Names, f.facts.TLS.Validation = hunt.Top(f.serverNames), hunt.Top(f.validation)
		f.facts.TLS.JA3, f.facts.TLS.JA4 = g.trait(f, traitJA3), g.trait(f, traitJA4)
		f.facts.TLS.Certificates = g.shown(f)
		h := &f.facts.HTTP
		h.Hosts, h.Methods, h.MIME, h.Agents = hunt.Top(f.hosts), hunt.Top(f.methods), hunt.Top(f.mime), g.trait(f, traitAgent)
		h.Contents = hunt.TopContents(f.uris, f.contents)
		f.facts.Weird, f.facts.Notices = hunt.Top(f.weird), hunt.Top(f.notices)
		var seen []hunt.IntelSeen
		for indicator, x := range f.intel {
			s := hunt.IntelSeen{Indicator: indicator, Sources: hunt.Top(x.sources), Count: x.count}
			if kinds := hunt.Top(x.kinds); len(kinds) > 0 {
				s.Type = kinds[0].Value
			}
			seen = append(seen, s)
		}
		f.facts.Intel = hunt.TopIntel(seen)
		if g.wanted[i].Kind() == "address" {
			f.facts.Names, f.facts.Queries = hunt.Top(f.names), g.queries[g.wanted[i].Src]
		}
		out.Facts[i] = f.facts
	}
	return out
}

func (g *gathering) trait(f *gathered, kind int) []hunt.Trait {
	var out []hunt.Trait
	for _, v := range hunt.Top(f.traits[kind]) {
		s := g.traits[kind][v.Value]
		out = append(out, hunt.Trait{Counted: v, Hosts: len(s.hosts), Destinations: len(s.destinations)})
	}
	return out
}

// shown joins what ssl records named with the x509 records.
func (g *gathering) shown(f *gathered) []hunt.Certificate {
	var out []hunt.Certificate
	for s, n := range f.certificates {
		c := hunt.Certificate{Subject: s.subject, Issuer: s.issuer, NotBefore: hunt.Absent, NotAfter: hunt.Absent}
		if found := g.certificates[s.id]; found != nil {
			c = *found
		} else if len(s.id) == 64 {
			c.Hash = s.id
		}
		c.Count = n
		out = append(out, c)
	}
	return hunt.TopCertificates(out)
}
