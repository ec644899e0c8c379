// Package intel reads indicator lists: addresses, networks, domains, TLS fingerprints (JA3, JA4) and certificate
// hashes. A list that cannot be read, or an entry that would match half the Internet, is reported and left out; the
// hunt continues with the rest.
package intel

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"
	"golang.org/x/net/publicsuffix"

	"dwell/internal/hunt"
)

// Limits of one list.
const (
	maxBytes      = 64 << 20
	maxIndicators = 2_000_000
)

// indicators of all lists, each with its list.
type indicators struct {
	networks bart.Table[string]
	// texts are domains, fingerprints and hashes in lower case, whose formats do not overlap.
	texts map[string]string
	count int
}

// refusal is why entries of a list were left out.
type refusal struct {
	why   string
	first string
	count int64
}

var (
	errNotAList = errors.New("is a web page, not a list")
	errEmpty    = errors.New("holds no indicator")
	errTooLarge = fmt.Errorf("is larger than %d MiB", maxBytes>>20)
	ja4         = regexp.MustCompile(`^[tqd][0-9s][0-9][di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$`)
	hexadecimal = regexp.MustCompile(`^[0-9a-f]+$`)
	label       = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$`)
)

// read adds a list: one indicator per line, or the column of a CSV (by name, or by number from 1). In a plain list #
// starts a comment. It returns the rejected entries by reason.
func (x *indicators) read(r io.Reader, list, column string) ([]refusal, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxBytes:
		return nil, errTooLarge
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		return nil, errNotAList
	}
	var refused []refusal
	before := x.count
	take := func(token string) error {
		if token == "" {
			return nil
		}
		if x.count-before >= maxIndicators {
			return fmt.Errorf("holds more than %d indicators", maxIndicators)
		}
		if err := x.add(token, list); err != nil {
			i := slices.IndexFunc(refused, func(r refusal) bool { return r.why == err.Error() })
			if i < 0 {
				refused = append(refused, refusal{why: err.Error(), first: token})
				i = len(refused) - 1
			}
			refused[i].count++
		}
		return nil
	}
	if column != "" {
		err = eachCell(text, column, take)
	} else {
		err = eachLine(text, take)
	}
	if err == nil && x.count == before && len(refused) == 0 {
		err = errEmpty
	}
	return refused, err
}

func eachLine(text []byte, take func(string) error) error {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) > 1 && (fields[0] == "0.0.0.0" || fields[0] == "127.0.0.1" || fields[0] == "::1") {
			fields = fields[1:] // a hosts file
		}
		if len(fields) == 0 || strings.HasPrefix(fields[0], ";") || strings.HasPrefix(fields[0], "//") {
			continue
		}
		if err := take(fields[0]); err != nil {
			return err
		}
	}
	return lines.Err()
}

func eachCell(text []byte, column string, take func(string) error) error {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = '#', -1, true, true
	at := -1
	if n, err := strconv.Atoi(column); err == nil && n > 0 {
		at = n - 1
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if at < 0 {
			if at = slices.IndexFunc(row, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), column) }); at < 0 {
				return fmt.Errorf("has no column %q; its first line has %s", column, strings.Join(row[:min(len(row), 12)], ", "))
			}
			continue
		}
		if at < len(row) {
			if err := take(strings.TrimSpace(row[at])); err != nil {
				return err
			}
		}
	}
	return nil
}

// refang undoes how reports write indicators so that no reader follows them: hxxps://evil[.]example.
var refang = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://")

var errUnknown = errors.New("is not an address, network, domain, fingerprint or hash")

// add stores one indicator by its type.
func (x *indicators) add(token, list string) error {
	token = refang.Replace(strings.ToLower(strings.Trim(token, `"'`)))
	if rest, ok := strings.CutPrefix(token, "hxxp"); ok {
		token = "http" + rest
	}
	if strings.Contains(token, ",") {
		return errors.New("is a line of a CSV: give its column as PATH#COLUMN")
	}
	if u, err := url.Parse(token); err == nil && u.Host != "" {
		token = u.Hostname()
	}
	if strings.Contains(token, "/") {
		if p, err := netip.ParsePrefix(token); err == nil {
			return x.network(p.Masked(), list)
		}
		host, path, _ := strings.Cut(token, "/")
		if strings.Trim(path, "0123456789") == "" {
			return errUnknown // a network with an impossible length
		}
		token = host // a URL without its scheme, as Zeek's Intel::URL
	}
	a, err := netip.ParseAddr(token)
	if err != nil {
		if ap, portErr := netip.ParseAddrPort(token); portErr == nil {
			a, err = ap.Addr(), nil
		}
	}
	if err == nil {
		a = a.Unmap().WithZone("")
		return x.network(netip.PrefixFrom(a, a.BitLen()), list)
	}
	if hexadecimal.MatchString(token) && slices.Contains([]int{32, 40, 64}, len(token)) || ja4.MatchString(token) {
		return x.text(token, list)
	}
	return x.domain(token, list)
}

// own are networks that a list cannot mean: a hit would be about the site itself.
var own = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"), netip.MustParsePrefix("::/127"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
}

func (x *indicators) network(p netip.Prefix, list string) error {
	if p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 16 {
		return errors.New("would match a large part of the Internet")
	}
	for _, o := range own {
		if o.Overlaps(p) {
			return errors.New("is a private or reserved network")
		}
	}
	if _, ok := x.networks.Get(p); !ok {
		x.networks.Insert(p, list)
		x.count++
	}
	return nil
}

func (x *indicators) domain(name, list string) error {
	name = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(name, "*"), "."), ".")
	if name == "" {
		return errors.New("would match every name")
	}
	for l := range strings.SplitSeq(name, ".") {
		if !label.MatchString(l) {
			return errUnknown
		}
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
		return errors.New("is a public suffix")
	}
	return x.text(name, list)
}

func (x *indicators) text(s, list string) error {
	if _, ok := x.texts[s]; !ok {
		x.texts[s] = list
		x.count++
	}
	return nil
}

// address returns the indicator that an address matches, and its list.
func (x *indicators) address(a netip.Addr) (indicator, list string, ok bool) {
	a = hunt.PlainAddr(a)
	p, list, ok := x.networks.LookupPrefixLPM(netip.PrefixFrom(a, a.BitLen()))
	if !ok {
		return "", "", false
	}
	if p.IsSingleIP() {
		return p.Addr().String(), list, true
	}
	return p.String(), list, true
}

// name returns the indicator that a name equals or is under.
func (x *indicators) name(name string) (indicator, list string, ok bool) {
	for name = strings.ToLower(strings.TrimSuffix(name, ".")); name != ""; {
		if list, ok := x.texts[name]; ok {
			return name, list, true
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return "", "", false
}
