// Package catalogue knows benign services that many hosts contact regularly: updates, time, revocation lists, push
// messages. It is data (services.csv, owners.csv, sources.csv), each entry with its source. An entry lowers a score,
// with a reason; it never hides a finding.
//
// A client can forge a name in its TLS handshake or Host header, so a name alone is a weak explanation. It is strong if
// the address confirms it (it is in one of the vendor's networks), or if several hosts contact its network and the
// destination is not new. Entries for services where anyone can store content or rent a host, and those that no source
// confirms, are weak at most. CDNs open to everyone are not listed.
package catalogue

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"
	"golang.org/x/net/publicsuffix"

	"dwell/internal/hunt"
	"dwell/scoring"
)

//go:embed services.csv
var services []byte

//go:embed owners.csv
var owners []byte

//go:embed sources.csv
var sources []byte

// Entry is one service.
type Entry struct {
	// Match is a domain, including all names under it, or @ and an owner, for that owner's networks.
	Match string
	// Category is a word such as update, push or revocation.
	Category string
	// Explains is the strongest explanation it gives: Unexplained (a site declares it no reason), Weak or Strong.
	Explains scoring.Explanation
	// Owner is the vendor whose networks confirm the name; may be empty.
	Owner string
	// What is the service, for display.
	What string
	// Source is the reference: a title, and a URL if there is one.
	Source string
	// Checked is what confirms a built-in entry: "vendor", "lists", or nothing (see services.csv). It is empty in a
	// site's entries.
	Checked string

	ports []port
	dns   bool
}

type port struct {
	number uint16
	proto  hunt.Transport
}

// usual are the ports of an entry without ports.
var usual = []port{{80, hunt.TCP}, {443, hunt.TCP}, {443, hunt.UDP}}

// Catalogue is a set of entries for look-ups.
type Catalogue struct {
	byName   map[string][]*Entry
	byOwner  map[string][]*Entry
	networks bart.Table[string] // owner by network
	numbers  map[int]string     // owner by AS number
	owners   map[string]bool    // owners with a network or a number
	site     string             // digest of the site's file; empty without one
	size     int
}

// Load reads the built-in catalog, and over it a site's file (none if empty). Site entries replace built-in ones with
// the same match and ports; others are added and take precedence. A site's entry gives its source as text.
func Load(site string) (*Catalogue, error) {
	c := &Catalogue{byName: map[string][]*Entry{}, byOwner: map[string][]*Entry{}, numbers: map[int]string{}, owners: map[string]bool{}}
	from, err := readSources()
	if err != nil {
		return nil, err
	}
	if err := c.readOwners(from); err != nil {
		return nil, err
	}
	own, err := c.parse(services, ownFields, func(s string) (string, bool) { title, ok := from[s]; return title, ok })
	if err != nil {
		return nil, fmt.Errorf("services.csv: %w", err)
	}
	c.add(own)
	if site == "" {
		return c, nil
	}
	text, err := readBounded(site)
	if err != nil {
		return nil, fmt.Errorf("read the site's catalogue: %w", err)
	}
	more, err := c.parse(text, siteFields, func(s string) (string, bool) { return s, strings.TrimSpace(s) != "" })
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", site, err)
	}
	c.add(more)
	sum := sha256.Sum256(text)
	c.site = hex.EncodeToString(sum[:8])
	return c, nil
}

// Len is the number of entries.
func (c *Catalogue) Len() int { return c.size }

// maxSite limits the size of a site's file, in bytes.
const maxSite = 4 << 20

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSite+1))
	if err == nil && len(text) > maxSite {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxSite)
	}
	return text, err
}

// The number of fields per line: a site's file lacks Checked.
const (
	siteFields  = 7
	ownFields   = 8
	ownerFields = 4
)

func reader(text []byte, fields int) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))) // as spreadsheets begin UTF-8
	r.Comment, r.FieldsPerRecord = '#', fields
	return r
}

// readSources returns the title and URL of each source by its id.
func readSources() (map[string]string, error) {
	rows, err := reader(sources, 3).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("sources.csv: %w", err)
	}
	from := make(map[string]string, len(rows))
	for _, r := range rows {
		from[r[0]] = r[1] + " (" + r[2] + ")"
	}
	return from, nil
}

func (c *Catalogue) readOwners(from map[string]string) error {
	rows, err := reader(owners, ownerFields).ReadAll()
	if err != nil {
		return fmt.Errorf("owners.csv: %w", err)
	}
	for _, r := range rows {
		c.owners[r[0]] = true
		if _, ok := from[r[2]]; !ok {
			return fmt.Errorf("owners.csv: %s %s: no source %q", r[0], r[1], r[2])
		}
		if number, ok := strings.CutPrefix(r[1], "AS"); ok {
			n, err := strconv.Atoi(number)
			if err != nil {
				return fmt.Errorf("owners.csv: %s: %q is not an AS number", r[0], r[1])
			}
			c.numbers[n] = r[0]
			continue
		}
		p, err := netip.ParsePrefix(r[1])
		if err != nil || p != p.Masked() {
			return fmt.Errorf("owners.csv: %s: %q is not a network", r[0], r[1])
		}
		c.networks.Insert(p, r[0])
	}
	return nil
}

// parse reads entries. It returns all errors, joined, each with its line.
func (c *Catalogue) parse(text []byte, fields int, source func(string) (string, bool)) (out []*Entry, err error) {
	r := reader(text, fields)
	var errs []error
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // has its line
		}
		line, _ := r.FieldPos(0)
		e, err := parseEntry(row)
		if err == nil {
			var ok bool
			if e.Source, ok = source(row[6]); !ok {
				err = fmt.Errorf("source %q is not known: every entry says where it is from", row[6])
			} else {
				err = c.knowsOwner(e)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %s: %w", line, row[0], err))
			continue
		}
		out = append(out, e)
	}
	return out, errors.Join(errs...)
}

// knowsOwner rejects an owner without networks, which could never match.
func (c *Catalogue) knowsOwner(e *Entry) error {
	if of, ok := strings.CutPrefix(e.Match, "@"); ok && !c.owners[of] {
		return fmt.Errorf("no networks of %q are known", of)
	}
	if e.Owner != "" && !c.owners[e.Owner] {
		return fmt.Errorf("no networks of owner %q are known", e.Owner)
	}
	return nil
}

func parseEntry(row []string) (*Entry, error) {
	e := &Entry{Match: strings.ToLower(strings.Trim(row[0], " .")), Category: row[2], Owner: row[4], What: row[5]}
	if e.Category == "" || e.What == "" {
		return nil, errors.New("category and description are required")
	}
	if len(row) == ownFields {
		e.Checked = row[7]
	}
	switch row[3] {
	case "none":
	case "weak":
		e.Explains = scoring.Weak
	case "strong":
		e.Explains = scoring.Strong
	default:
		return nil, fmt.Errorf("%q is not none, weak or strong", row[3])
	}
	if !strings.HasPrefix(e.Match, "@") {
		_, err := netip.ParseAddr(e.Match)
		if err == nil || strings.ContainsAny(e.Match, "*/: ") || !strings.Contains(e.Match, ".") {
			return nil, errors.New("want a domain without a star (it covers subdomains) or @owner; no address, no port")
		}
		if suffix, icann := publicsuffix.PublicSuffix(e.Match); suffix == e.Match && (icann || strings.Contains(suffix, ".")) {
			return nil, errors.New("anyone can register names below that: it would match what others own")
		}
	}
	for _, text := range strings.Fields(row[1]) {
		if text == "dns" {
			e.dns = true
			continue
		}
		number, proto, _ := strings.Cut(text, "/")
		n, err := strconv.ParseUint(number, 10, 16)
		t := hunt.ParseTransport(proto)
		if err != nil || n == 0 || t != hunt.TCP && t != hunt.UDP {
			return nil, fmt.Errorf("%q is not a port as in 443/tcp", text)
		}
		e.ports = append(e.ports, port{uint16(n), t})
	}
	if len(e.ports) == 0 && !e.dns {
		e.ports = usual
	}
	return e, nil
}

// add inserts entries before the existing ones, replacing those with the same match and ports.
func (c *Catalogue) add(entries []*Entry) {
	for _, e := range entries {
		into, key := c.byName, e.Match
		if owner, ok := strings.CutPrefix(e.Match, "@"); ok {
			into, key = c.byOwner, owner
		}
		same := func(o *Entry) bool { return o.dns == e.dns && slices.Equal(o.ports, e.ports) }
		c.size -= len(into[key])
		into[key] = slices.Insert(slices.DeleteFunc(into[key], same), 0, e)
		c.size += len(into[key])
	}
}

// Named returns the entry of a name on a port: the one with the longest domain that the name equals or is under. A name
// that merely contains an entry's text (windowsupdate.com.evil.example, xwindowsupdate.com) does not match.
func (c *Catalogue) Named(name string, number uint16, proto hunt.Transport) *Entry {
	return c.below(name, func(e *Entry) bool { return slices.Contains(e.ports, port{number, proto}) })
}

// Asked returns the entry of a domain whose names are queried by DNS.
func (c *Catalogue) Asked(domain string) *Entry {
	return c.below(domain, func(e *Entry) bool { return e.dns })
}

func (c *Catalogue) below(name string, fits func(*Entry) bool) *Entry {
	for name = strings.ToLower(strings.TrimSuffix(name, ".")); name != ""; {
		for _, e := range c.byName[name] {
			if fits(e) {
				return e
			}
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return nil
}

// Addressed returns an owner's entry on a port: a service in the vendor's networks under any name.
func (c *Catalogue) Addressed(owner string, number uint16, proto hunt.Transport) *Entry {
	for _, e := range c.byOwner[owner] {
		if slices.Contains(e.ports, port{number, proto}) {
			return e
		}
	}
	return nil
}

// OwnerOf is the owner whose networks contain the whole network; empty if there is none.
func (c *Catalogue) OwnerOf(network netip.Prefix) string {
	if !network.IsValid() {
		return ""
	}
	owner, _ := c.networks.LookupPrefix(network)
	return owner
}

// OwnerOfAS is the owner of an AS number.
func (c *Catalogue) OwnerOfAS(number int) string { return c.numbers[number] }

// Entries lists all entries, sorted by match.
func (c *Catalogue) Entries() []*Entry {
	var out []*Entry
	for _, m := range []map[string][]*Entry{c.byName, c.byOwner} {
		for _, list := range m {
			out = append(out, list...)
		}
	}
	slices.SortFunc(out, func(a, b *Entry) int { return cmp.Or(cmp.Compare(a.Match, b.Match), cmp.Compare(a.What, b.What)) })
	return out
}
