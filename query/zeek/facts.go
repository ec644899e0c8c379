package zeek

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

const (
	// relogged is how long Zeek does not log a certificate again.
	relogged = 24 * time.Hour
	// maxValues bounds the different values of a kind for a key: only hostile data has more.
	maxValues = 10_000
)

// Facts is [hunt.Session.Facts] in one pass over the logs besides conn, which keeps what concerns the wanted keys, and
// a second one over x509 logs for the shown certificates. DNS answers, and how widely each fingerprint and user agent
// is used, were noted when names and queries were read; otherwise the first pass counts them. If there are more
// fingerprints than are kept, the second pass counts the wanted ones.
func (s *Source) Facts(ctx context.Context, req hunt.Request, wanted []hunt.PairKey) (hunt.FactBook, []hunt.Note, error) {
	known := s.of(req)
	g := newGathering(req, wanted, known, s.maxSpreads)
	q := query{from: req.From, to: req.To,
		kinds: []log.Kind{log.SSLLog, log.OpenSSL, log.HTTPLog, log.OpenHTTP, log.Weird, log.Notice, log.Intel, log.Files},
		fields: flowFields(log.ServerName, log.JA3, log.JA4, log.Subject, log.Issuer, log.ChainPrints, log.ChainFUIDs,
			log.Host, log.URI, log.UserAgent, log.RespMIMEs, log.Query, log.Answers, log.Name, log.Note,
			log.Indicator, log.IndicatorType, log.Sources, log.TxHosts, log.RxHosts, log.MIMEType, log.SeenBytes)}
	q.fields = append(q.fields, counted[:]...)
	if req.KeysAlone {
		q.kinds, q.most = []log.Kind{log.SSLLog, log.OpenSSL, log.HTTPLog, log.OpenHTTP}, s.openBytes
	} else if known.queried == nil {
		q.kinds = append(q.kinds, log.DNSLog)
	}
	first, err := s.records(ctx, q, g.taker)
	if err != nil {
		return hunt.FactBook{}, nil, err
	}
	q.kinds, q.from = []log.Kind{log.X509}, req.From.Add(-relogged)
	if g.wish() && !req.KeysAlone { // certificates are wished for in any case
		q.kinds = append(q.kinds, log.SSLLog, log.OpenSSL, log.HTTPLog, log.OpenHTTP)
	}
	q.fields = flowFields(log.JA3, log.JA4, log.UserAgent, log.ID, log.Fingerprint, log.CertSubject, log.CertIssuer,
		log.NotBefore, log.NotAfter, log.SANDNS)
	second, err := s.each(ctx, q, g.again)
	if err != nil {
		return hunt.FactBook{}, nil, err
	}
	// Do not report again what was reported when a file was first read.
	return g.book(), append(append(first.Gaps, second.Gaps...), append(first.Notes, second.Notes...)...), nil
}

// gathering collects facts from several goroutines.
type gathering struct {
	req    hunt.Request
	wanted []hunt.PairKey
	// sources finds the keys of a source; resolved has the DNS answers with the destination of a key by address.
	sources  map[netip.Addr]*factSource
	resolved map[netip.Addr]*resolutions
	of       []gathered
	known    seen
	*shown

	mu      sync.Mutex
	records map[log.Kind]int64
	// missing are the values for the second pass to count, by kind.
	missing [3]map[string]*spread
	// certificates are the shown ones, by hash or file id.
	certificates map[string]*hunt.Certificate
}

// factSource are the keys of one source: by address, name, network and fingerprint.
type factSource struct {
	byAddress map[netip.Addr][]int
	byName    map[string][]int
	networks  []int
	prints    []int
	domains   []int
	queries   atomic.Int64
}

// resolutions are the names whose queries were answered with one address.
type resolutions struct {
	mu    sync.Mutex
	names values
}

func newGathering(req hunt.Request, wanted []hunt.PairKey, known seen, most int64) *gathering {
	g := &gathering{req: req, wanted: wanted, of: make([]gathered, len(wanted)), sources: map[netip.Addr]*factSource{}, resolved: map[netip.Addr]*resolutions{},
		known: known, shown: known.shown, records: map[log.Kind]int64{}, certificates: map[string]*hunt.Certificate{}}
	if g.shown == nil {
		g.shown = newShown(most)
	}
	for kind := range g.missing {
		g.missing[kind] = map[string]*spread{}
	}
	for i, k := range wanted {
		s := g.sources[k.Src]
		if s == nil {
			s = &factSource{byAddress: map[netip.Addr][]int{}, byName: map[string][]int{}}
			g.sources[k.Src] = s
		}
		switch {
		case k.DNS != "":
			s.domains = append(s.domains, i) // only what Zeek reported about them is looked for
			continue
		case k.Fingerprint.Kind != hunt.NoFingerprint:
			s.prints = append(s.prints, i)
			continue
		case k.Network.IsValid() && k.Name == "":
			s.networks = append(s.networks, i)
			continue
		case k.Name != "":
			s.byName[k.Name] = append(s.byName[k.Name], i)
		default:
			g.resolved[k.Dst] = &resolutions{}
		}
		s.byAddress[k.Dst] = append(s.byAddress[k.Dst], i)
	}
	if known.queried != nil {
		g.remember(known.queried)
	}
	return g
}

// remember uses what was noted of queries instead of reading them.
func (g *gathering) remember(q *queried) {
	g.records[log.DNSLog] = q.records
	for src, s := range g.sources {
		s.queries.Store(q.by[src])
	}
	for a, n := range q.answers {
		if of := g.resolved[a.addr]; of != nil && a.name != "" {
			if of.names == nil {
				of.names = values{}
			}
			of.names[a.name] += n
		}
	}
}

// concern calls take for every key that a record between two hosts belongs to. Keys by name use the name where a log
// has it.
func (g *gathering) concern(s *factSource, dst netip.Addr, port uint16, name string, named bool, take func(*gathered)) {
	for _, i := range s.byAddress[dst] {
		if k := &g.wanted[i]; k.Name != "" && !named || k.Name == "" && (k.AnyPort || k.Port == port) {
			g.one(i, take)
		}
	}
	if named && name != "" {
		for _, i := range s.byName[name] {
			g.one(i, take)
		}
	}
	for _, i := range s.networks {
		if g.wanted[i].Network.Contains(dst) {
			g.one(i, take)
		}
	}
}

// one calls take for one key, under its lock.
func (g *gathering) one(i int, take func(*gathered)) {
	g.of[i].mu.Lock()
	defer g.of[i].mu.Unlock()
	take(&g.of[i])
}

// taker makes one goroutine's taker.
func (g *gathering) taker() recordTaker {
	w := &factWorker{g: g, names: words{}, records: map[log.Kind]int64{}, showing: g.showing()}
	return recordTaker{take: w.keep, flush: w.flush}
}

// factWorker is one goroutine's part.
type factWorker struct {
	g       *gathering
	names   words
	records map[log.Kind]int64
	showing
}

func (w *factWorker) flush() error {
	w.showing.flush()
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	for kind, n := range w.records {
		w.g.records[kind] += n
	}
	return nil
}

// keep keeps what concerns the wanted keys.
func (w *factWorker) keep(r *log.Record) error {
	kind := r.Kind.Closed()
	w.records[kind]++
	if kind == log.Files {
		w.g.carried(r)
		return nil
	}
	src := r.Addr(log.OrigH)
	s := w.g.sources[src]
	if kind == log.DNSLog {
		w.answers(r, s)
		return nil
	}
	if w.g.known.shown == nil && !w.g.req.KeysAlone && w.g.req.Scope.IsInternal(src) {
		w.traits(r, kind, src)
	}
	if s == nil {
		return nil
	}
	dst, port := r.Addr(log.RespH), r.Port(log.RespP)
	switch kind {
	case log.SSLLog:
		name := w.names.host(r.Text(log.ServerName))
		w.g.concern(s, dst, port, name, true, func(f *gathered) { f.tls(r, name) })
		for _, i := range s.prints {
			if k := &w.g.wanted[i]; k.Port == port && k.Fingerprint == hunt.FingerprintOf(string(r.Text(log.JA4)), string(r.Text(log.JA3)), name) {
				w.g.one(i, func(f *gathered) { f.tls(r, name) })
			}
		}
	case log.HTTPLog:
		name := w.names.host(r.Text(log.Host))
		w.g.concern(s, dst, port, name, true, func(f *gathered) { f.http(r, name) })
	case log.Weird:
		w.g.concern(s, dst, port, "", false, func(f *gathered) { f.weird.add(r.Text(log.Name)) })
	case log.Notice:
		w.g.concern(s, dst, port, "", false, func(f *gathered) { f.notices.add(r.Text(log.Note)) })
	case log.Intel:
		indicator := hunt.HostName(string(r.Text(log.Indicator)))
		asked := s.byName[indicator]
		for _, i := range s.domains {
			if hunt.Within(indicator, w.g.wanted[i].DNS) {
				w.g.one(i, func(f *gathered) { f.saw(r) })
			}
		}
		for _, i := range s.prints {
			if indicator != "" && indicator == w.g.wanted[i].Fingerprint.Value {
				w.g.one(i, func(f *gathered) { f.saw(r) })
			}
		}
		for _, i := range asked {
			w.g.one(i, func(f *gathered) { f.saw(r) })
		}
		w.g.concern(s, dst, port, "", false, func(f *gathered) {
			if !slices.ContainsFunc(asked, func(i int) bool { return f == &w.g.of[i] }) {
				f.saw(r)
			}
		})
	}
	return nil
}

func (w *factWorker) answers(r *log.Record, s *factSource) {
	if s != nil {
		s.queries.Add(1)
	}
	for text := range r.List(log.Answers) {
		a, ok := log.ParseAddr(text)
		if !ok {
			continue
		}
		if of := w.g.resolved[a]; of != nil {
			name := w.names.host(r.Text(log.Query))
			of.mu.Lock()
			of.names.add([]byte(name))
			of.mu.Unlock()
		}
	}
}

// traits counts who shows a fingerprint or user agent to whom.
func (w *factWorker) traits(r *log.Record, kind log.Kind, src netip.Addr) {
	switch dst := r.Addr(log.RespH); kind {
	case log.HTTPLog:
		w.agent(r.Text(log.UserAgent), src, dst)
	case log.SSLLog:
		w.tls(r.Text(log.JA3), r.Text(log.JA4), src, dst)
	}
}

// wish decides what the second pass looks for, and whether it must read more than certificates.
func (g *gathering) wish() (more bool) {
	for i := range g.of {
		f := &g.of[i]
		for kind, v := range g.telling(i) {
			if v == "" || g.spreads[kind].get(v) != nil && (kind != traitJA3 || !g.mixed.Load()) {
				continue
			}
			g.missing[kind][v] = &spread{}
			more = true
		}
		for c := range f.certificates {
			if id, _, _ := strings.Cut(c, "\x00"); id != "" {
				g.certificates[id] = nil
			}
		}
	}
	return more
}

// telling are the values of a key to count, by kind, or empty.
func (g *gathering) telling(i int) (out [3]string) {
	if !g.req.Scope.IsInternal(g.wanted[i].Src) {
		return out
	}
	f := &g.of[i]
	for kind, all := range []int64{traitJA3: f.facts.TLS.Records, traitJA4: f.facts.TLS.Records, traitAgent: f.facts.HTTP.Requests} {
		if kind == traitJA3 && len(f.traits[traitJA4]) > 0 {
			continue
		}
		for _, t := range hunt.Distinctive(traitsOf(f.traits[kind]), all) {
			out[kind] = t.Value
		}
	}
	return out
}

func traitsOf(v values) (out []hunt.Trait) {
	for _, c := range hunt.Top(v) {
		out = append(out, hunt.Trait{Counted: c})
	}
	return out
}

// again is the second pass.
func (g *gathering) again(r *log.Record) error {
	kind := r.Kind.Closed()
	if kind == log.X509 {
		g.mu.Lock()
		g.records[kind]++
		g.mu.Unlock()
		g.certificate(r)
		return nil
	}
	src := r.Addr(log.OrigH)
	if r.Start < g.req.From.UnixMilli() || !g.req.Scope.IsInternal(src) {
		return nil
	}
	for trait, field := range map[int]log.Field{traitJA3: log.JA3, traitJA4: log.JA4, traitAgent: log.UserAgent} {
		if s := g.missing[trait][string(r.Text(field))]; s != nil {
			g.mu.Lock()
			s.add(g.spreads[trait].of(src), g.spreads[trait].of(r.Addr(log.RespH)))
			g.mu.Unlock()
		}
	}
	return nil
}

func (g *gathering) certificate(r *log.Record) {
	for _, field := range []log.Field{log.Fingerprint, log.ID} {
		id := string(r.Text(field))
		g.mu.Lock()
		have, wanted := g.certificates[id]
		g.mu.Unlock()
		if id == "" || !wanted || have != nil {
			continue
		}
		c := &hunt.Certificate{Hash: string(r.Text(log.Fingerprint)), Subject: string(r.Text(log.CertSubject)), Issuer: string(r.Text(log.CertIssuer)),
			NotBefore: r.Time(log.NotBefore), NotAfter: r.Time(log.NotAfter)}
		for name := range r.List(log.SANDNS) {
			if len(c.Names) < 100 {
				c.Names = append(c.Names, string(name))
			}
		}
		g.mu.Lock()
		g.certificates[id] = c
		g.mu.Unlock()
	}
}

// book assembles the facts.
func (g *gathering) book() hunt.FactBook {
	out := hunt.FactBook{Facts: make([]hunt.Facts, len(g.of)), TLSHosts: len(g.hosts[0]), HTTPHosts: len(g.hosts[1]), Records: map[string]int64{}}
	for kind, n := range g.records {
		out.Records[string(kind)] = n
	}
	for i := range g.of {
		f := &g.of[i]
		telling := g.telling(i)
		f.facts.TLS.Names = hunt.Top(f.serverNames)
		for at := range f.values {
			f.facts.Values[at] = hunt.Top(f.values[at])
		}
		f.facts.TLS.JA3, f.facts.TLS.JA4 = g.trait(f, traitJA3, telling), g.trait(f, traitJA4, telling)
		f.facts.TLS.Certificates = g.certified(f)
		h := &f.facts.HTTP
		h.Hosts, h.Agents = hunt.Top(f.hosts), g.trait(f, traitAgent, telling)
		h.Contents = hunt.TopContents(f.uris, f.contents)
		f.facts.Weird, f.facts.Notices, f.facts.Intel, f.facts.Files = hunt.Top(f.weird), hunt.Top(f.notices), f.seen(), f.carried()
		if k := &g.wanted[i]; k.Kind() == "address" {
			f.facts.Names, f.facts.Queries = hunt.Top(g.resolved[k.Dst].names), g.sources[k.Src].queries.Load()
		}
		out.Facts[i] = f.facts
	}
	return out
}

func (g *gathering) trait(f *gathered, kind int, telling [3]string) []hunt.Trait {
	out := traitsOf(f.traits[kind])
	if len(out) == 0 || out[0].Value != telling[kind] {
		return out
	}
	s := g.missing[kind][out[0].Value]
	if s == nil {
		s = g.spreads[kind].get(out[0].Value)
	}
	out[0].Hosts, out[0].Destinations = s.hosts.count(), s.destinations.count()
	return out
}

// certified joins the certificates that ssl records name with the x509 records.
func (g *gathering) certified(f *gathered) []hunt.Certificate {
	var out []hunt.Certificate
	for text, n := range f.certificates {
		id, names, _ := strings.Cut(text, "\x00")
		c := hunt.Certificate{NotBefore: hunt.Absent, NotAfter: hunt.Absent}
		c.Subject, c.Issuer, _ = strings.Cut(names, "\x00")
		if found := g.certificates[id]; found != nil {
			c = *found
		} else if len(id) == 64 {
			c.Hash = id
		}
		c.Count = n
		out = append(out, c)
	}
	return hunt.TopCertificates(out)
}
