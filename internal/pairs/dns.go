package pairs

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"dwell/internal/hunt"
	"dwell/internal/tile"
)

// DNS collects queries by client and registered domain. The zero DNS is not ready: use NewDNS.
type DNS struct {
	mu      sync.Mutex
	domains map[clientDomain]*Queries
	// resolvers were queried; an internal one that forwards queries is not a client itself.
	resolvers map[netip.Addr]struct{}
	suffixes  map[string]string
	// ids and texts are of the queried names, each once for all clients.
	ids   map[string]uint32
	texts []string
	// Listed says whether an indicator list names a name; nil is no list. Listed names are kept however many there are.
	Listed func(name string) bool
	// few counts the queries for domains beyond those kept, by a hash of client and domain: most stay too few to judge.
	few  map[uint64]uint8
	seed maphash.Seed
	// of is the number of each client's domains; crowded are clients with more than maxDomains, left the queries for
	// further domains that should have been judged.
	of      map[netip.Addr]int
	crowded map[netip.Addr]struct{}
	left    int64
	listed  int
	// size is the approximate memory, held that of times alone, bytes. Times that do not fit go to the shelf.
	size, held int64
	budget     Budget
	shelf      *tile.Shelf
}

type clientDomain struct {
	client netip.Addr
	domain string
}

// Queries is what one client queried below one registered domain.
type Queries struct {
	Client netip.Addr
	Domain string
	// Overflow counts the queries for names beyond MaxNames, which are not kept.
	Overflow int64
	// Count of queries, Unusual of them for TXT, NULL, CNAME or MX.
	Count, Unusual int64
	// AnswerBytes is the length of all answers' text.
	AnswerBytes int64
	// First and Last query, Unix milliseconds; 0 if the source has no times.
	First, Last int64
	// Resolver is one that was queried, of several the lowest address.
	Resolver netip.Addr

	// names are the numbers of the distinct names, answered the addresses in answers.
	names    numberSet
	answered addressSet
	// times are the queries' times, each as the difference to the previous one, in varints, after those on the shelf;
	// timed is their number, up to MaxTimes, last the newest that was added.
	shelved []tile.Place
	times   []byte
	timed   int
	last    int64
	// asked are the resolvers, up to maxAsked; others says that there were more.
	asked  []netip.Addr
	others bool
	of     *DNS
}

// The bounds for one client and domain.
const (
	MaxNames     = 100_000
	MaxAddresses = 64
	// maxDomains are kept of a client, maxDomainsOfAll of all: some 300 MB.
	maxDomains = 100_000
	// fewQueries for a domain are judged, maxFew further domains are counted (some 80 MB), maxListed are kept.
	fewQueries, maxFew, maxListed = 8, 4 << 20, 10_000
	maxDomainsOfAll               = 1_000_000
	maxAsked                      = 8
	// MaxTimes is more queries than those among which a rhythm would stand out.
	MaxTimes = 50_000
)

// The approximate memory of a domain, and of a name of it, besides their text, bytes.
const domainCost, nameCost = 400, 120

// NewDNS makes an empty set that keeps to a budget. What exceeds it is counted, see Crowded, but for times, which go to
// disk: see Err and Close.
func NewDNS(b Budget) *DNS {
	return &DNS{budget: b, domains: map[clientDomain]*Queries{}, resolvers: map[netip.Addr]struct{}{}, suffixes: map[string]string{}, ids: map[string]uint32{},
		of: map[netip.Addr]int{}, crowded: map[netip.Addr]struct{}{}, few: map[uint64]uint8{}, seed: maphash.MakeSeed()}
}

// Add adds queries. It leaves out names without a registered domain (single labels, plain reverse lookups, public
// suffixes), because no one can own a tunnel below them. Reverse names with more than an address belong to its network.
// It may be called from many goroutines.
func (d *DNS) Add(batch []hunt.DNSRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		domain := d.registered(r.Query)
		if domain == "" {
			continue
		}
		q := d.domains[clientDomain{r.Client, domain}]
		if q == nil {
			var before int64
			if d.of[r.Client] >= maxDomains || len(d.domains) >= maxDomainsOfAll || d.full() {
				var ok bool
				if before, ok = d.admit(r, domain); !ok {
					continue
				}
			}
			d.of[r.Client]++
			d.size += domainCost
			domain = d.texts[d.id(domain)] // a copy: it is part of a longer text
			q = &Queries{Client: r.Client, Domain: domain, First: r.Start, Count: before, of: d}
			d.domains[clientDomain{r.Client, domain}] = q
		}
		d.resolvers[r.Resolver] = struct{}{}
		if q.add(r); d.full() && d.held > d.budget.Bytes/timesShare {
			d.shelve()
		}
	}
}

// timesShare is the part of the budget that times may exceed it by: fewer are not worth a walk over all domains.
const timesShare = 8

// shelve puts all times on the shelf.
func (d *DNS) shelve() {
	if d.shelf == nil {
		d.shelf = tile.NewShelf(d.budget.Folder, "times of DNS queries", 1<<20)
	}
	for _, q := range d.domains {
		if before := q.held(); len(q.times) > 0 {
			q.shelved = append(q.shelved, d.shelf.Put(q.times))
			q.times = nil
			d.size += q.held() - before
		}
	}
	d.held = 0
}

// Err is the error on disk, if any: times are missing.
func (d *DNS) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shelf == nil {
		return nil
	}
	return d.shelf.Err()
}

// Close removes the file with times, if there is one.
func (d *DNS) Close() error {
	if d.shelf == nil {
		return nil
	}
	return d.shelf.Close()
}

// admit decides about a domain beyond those kept. A domain queried less than fewQueries times has no tunnel and no
// rhythm, so it is only counted: a host cannot hide one by querying a million others. After that it is kept as far as
// memory allows, with the number of earlier queries; else its queries are left out.
func (d *DNS) admit(r *hunt.DNSRecord, domain string) (before int64, ok bool) {
	d.crowded[r.Client] = struct{}{}
	if d.Listed != nil && d.listed < maxListed && d.Listed(r.Query) {
		d.listed++
		return 0, true
	}
	h := maphash.Comparable(d.seed, clientDomain{r.Client, domain})
	before = int64(d.few[h])
	seen := before + max(r.Count, 1)
	if seen < fewQueries && (len(d.few) < maxFew || d.few[h] > 0) {
		d.few[h] = uint8(seen)
		return 0, false
	}
	if d.full() || len(d.domains) >= maxDomainsOfAll+maxDomains {
		d.left += max(r.Count, 1)
		return 0, false
	}
	delete(d.few, h)
	return before, true
}

// held is the memory of what grows with the queries, bytes.
func (q *Queries) held() int64 {
	return int64(cap(q.times) + 16*cap(q.shelved) + 4*cap(q.names.list) + 4*cap(q.answered.four) + 16*cap(q.answered.six))
}

func (q *Queries) add(r *hunt.DNSRecord) {
	before := q.held()
	defer func() { q.of.size += q.held() - before }()
	n := max(r.Count, 1)
	q.Count += n
	switch r.Type {
	case "TXT", "NULL", "CNAME", "MX":
		q.Unusual += n
	}
	if id, known := q.of.ids[r.Query]; !known || !q.names.has(id) {
		if len(q.names.list) < MaxNames && !q.of.full() {
			q.names.add(q.of.id(r.Query))
		} else {
			q.Overflow++
		}
	}
	if r.Start != 0 {
		held := cap(q.times)
		for range min(n, int64(MaxTimes-q.timed)) {
			q.times = binary.AppendVarint(roomFor(q.times, binary.MaxVarintLen64), r.Start-q.last)
			q.last = r.Start
			q.timed++
		}
		q.of.held += int64(cap(q.times) - held)
		q.First, q.Last = min(q.First, r.Start), max(q.Last, r.Start)
	}
	if !q.Resolver.IsValid() || r.Resolver.Less(q.Resolver) {
		q.Resolver = r.Resolver
	}
	if !slices.Contains(q.asked, r.Resolver) {
		if q.others = q.others || len(q.asked) == maxAsked; !q.others {
			q.asked = append(q.asked, r.Resolver)
		}
	}
	for _, a := range r.Answers {
		q.AnswerBytes += n * int64(len(a))
		if addr, err := netip.ParseAddr(a); err == nil {
			q.Answered(addr)
		}
	}
}

// full says that the bound is reached.
func (d *DNS) full() bool { return d.budget.Bytes > 0 && d.size >= d.budget.Bytes }

// Times are the times of the client's queries, Unix milliseconds, ascending; nil if the source has no times, or if there
// are more than MaxTimes. Check Err.
func (q *Queries) Times() []int64 {
	if q.timed == 0 || int64(q.timed) < q.Count {
		return nil
	}
	out := make([]int64, 0, q.timed)
	all := q.times
	if len(q.shelved) > 0 {
		all = nil
		for _, at := range q.shelved {
			all = append(all, q.of.shelf.Get(at)...)
		}
		all = append(all, q.times...)
	}
	at := int64(0)
	for b := all; len(b) > 0; {
		d, n := binary.Varint(b)
		at, b = at+d, b[n:]
		out = append(out, at)
	}
	slices.Sort(out)
	return out
}

// Timed is the number of known times.
func (q *Queries) Timed() int { return q.timed }

// Answered notes an address in an answer.
func (q *Queries) Answered(addr netip.Addr) { q.answered.add(addr) }

// Addresses are those in answers, sorted: at most MaxAddresses, of more the lowest.
func (q *Queries) Addresses() iter.Seq[netip.Addr] { return q.answered.all() }

// HasAddresses says whether an answer had an address.
func (q *Queries) HasAddresses() bool { return q.answered.len() > 0 }

// Names is the number of distinct names that are kept, up to MaxNames.
func (q *Queries) Names() int { return len(q.names.list) }

// Distinct is the number of distinct names of several clients, of those that are kept.
func Distinct(all []*Queries) int {
	if len(all) == 1 {
		return all[0].Names()
	}
	names := map[uint32]struct{}{}
	for _, q := range all {
		for _, id := range q.names.list {
			names[id] = struct{}{}
		}
	}
	return len(names)
}

// Resolved says whether the client queried only the network's resolvers. Only then do its owner's servers answer names
// below a domain: a program may ask its own server for any name.
func (q *Queries) Resolved(ours func(netip.Addr) bool) bool {
	return !q.others && !slices.ContainsFunc(q.asked, func(a netip.Addr) bool { return !ours(a) })
}

// Asked are the queried resolvers, the first few.
func (q *Queries) Asked() []netip.Addr { return q.asked }

// id numbers a name.
func (d *DNS) id(name string) uint32 {
	id, known := d.ids[name]
	if !known {
		id, name = uint32(len(d.texts)), strings.Clone(name)
		d.ids[name], d.texts = id, append(d.texts, name)
		d.size += nameCost + int64(len(name))
	}
	return id
}

// Texts are the names, in no order. Nothing may be added meanwhile.
func (q *Queries) Texts() []string {
	out := make([]string, 0, q.Names())
	for _, id := range q.names.list {
		out = append(out, q.of.texts[id])
	}
	return out
}

// maxSuffixes bounds the memory of names whose registered domain is known.
const maxSuffixes = 1 << 16

// registered is the registered domain of a name, or empty. The answer for a name's parent is kept, since tunnels query
// millions of names below one.
func (d *DNS) registered(name string) string {
	if name == "" {
		return ""
	}
	if strings.HasSuffix(name, ".arpa") {
		return reverseZone(name)
	}
	_, parent, ok := strings.Cut(name, ".")
	if !ok {
		return ""
	}
	if known, ok := d.suffixes[parent]; ok && known != "" {
		return known
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	if domain != name { // then it is the parent's, too
		if len(d.suffixes) >= maxSuffixes {
			clear(d.suffixes)
		}
		d.suffixes[parent] = domain
	}
	return domain
}

// reverseZone is the zone of a reverse name's /24 or /48, if it has more than an address: anyone with a network has its
// zone, and may put data below it. Empty for plain reverse lookups.
func reverseZone(name string) string {
	for _, of := range [...]struct {
		suffix        string
		address, zone int // labels of an address, and of a network
	}{{".in-addr.arpa", 4, 3}, {".ip6.arpa", 32, 12}} {
		rest, ok := strings.CutSuffix(name, of.suffix)
		if !ok {
			continue
		}
		labels := strings.Split(rest, ".")
		long := slices.ContainsFunc(labels, func(l string) bool { return len(l) > 3 })
		if len(labels) <= of.zone || len(labels) <= of.address && !long {
			return ""
		}
		return strings.Join(labels[len(labels)-of.zone:], ".") + of.suffix
	}
	return ""
}

// Crowded is the number of clients with more domains than are kept, of queries left out that should have been judged,
// and of domains queried too rarely to judge.
func (d *DNS) Crowded() (clients, queries, seldom int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.crowded)), d.left, int64(len(d.few))
}

// All returns the clients' queries, those with the most distinct names first, without what a queried host asks on
// behalf of others: see Own.
func (d *DNS) All() []*Queries { return d.Own(d.isResolver) }

// Own is All without what a forwarding client queries for others, if those others are seen themselves with at least
// half of its names: it may have names of its own.
func (d *DNS) Own(forwards func(client netip.Addr) bool) []*Queries {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := map[string]int{} // by domain, of all clients
	for key, q := range d.domains {
		names[key.domain] += q.Names()
	}
	out := make([]*Queries, 0, len(d.domains))
	for key, q := range d.domains {
		if own := q.Names(); 2*(names[key.domain]-own) >= own && forwards(key.client) {
			continue
		}
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b *Queries) int {
		return cmp.Or(cmp.Compare(b.Names(), a.Names()), a.Client.Compare(b.Client), cmp.Compare(a.Domain, b.Domain))
	})
	return out
}

// Resolves says whether an address answered queries: it is a resolver.
func (d *DNS) Resolves(a netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isResolver(a)
}

func (d *DNS) isResolver(a netip.Addr) bool {
	_, ok := d.resolvers[a]
	return ok
}
