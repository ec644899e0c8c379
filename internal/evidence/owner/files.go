package owner

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"dwell/internal/hunt"
)

// Files are databases in MaxMind's format: GeoLite2 or GeoIP2 ASN, and Country or City. The zero value has none.
type Files struct {
	asn, country *maxminddb.Reader
	notes        []hunt.Note
}

// Open opens the given files; an empty name means none. It never fails: what cannot be used becomes a note of the hunt.
func Open(asn, country string) *Files {
	f := &Files{}
	f.asn = f.open(asn, "geo.asn_file", "ASN")
	f.country = f.open(country, "geo.country_file", "Country", "City", "Enterprise")
	return f
}

func (f *Files) open(path, setting string, kinds ...string) *maxminddb.Reader {
	if path == "" {
		return nil
	}
	r, err := maxminddb.Open(path)
	if err == nil {
		for _, k := range kinds {
			if strings.Contains(r.Metadata.DatabaseType, k) {
				return r
			}
		}
		err = fmt.Errorf("it is a database of type %q; want %s", r.Metadata.DatabaseType, strings.Join(kinds, ", "))
		_ = r.Close() // opened read-only: nothing can be lost
	}
	f.notes = append(f.notes, hunt.Note{Where: path, What: "the database is not used: " + err.Error(), Hint: setting + " names it"})
	return nil
}

func (f *Files) revision() string {
	var parts []string
	for _, r := range []*maxminddb.Reader{f.asn, f.country} {
		if r != nil {
			parts = append(parts, fmt.Sprintf("%s %d", r.Metadata.DatabaseType, r.Metadata.BuildEpoch))
		}
	}
	return strings.Join(parts, ", ")
}

// owner looks up one address. A file that cannot be decoded is not used again and becomes a note.
func (f *Files) owner(a netip.Addr) (o hunt.Owner) {
	a = hunt.PlainAddr(a)
	var system struct {
		Number       int64  `maxminddb:"autonomous_system_number"`
		Organization string `maxminddb:"autonomous_system_organization"`
	}
	var place struct {
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
	}
	look := func(r **maxminddb.Reader, into any) {
		if *r == nil {
			return
		}
		if err := (*r).Lookup(a).Decode(into); err != nil {
			f.notes = append(f.notes, hunt.Note{What: fmt.Sprintf("the database %s is not used further: %s: %v", (*r).Metadata.DatabaseType, a, err)})
			*r = nil
		}
	}
	look(&f.asn, &system)
	look(&f.country, &place)
	return hunt.Owner{ASN: system.Number, Organization: system.Organization, Country: place.Country.Code}
}
