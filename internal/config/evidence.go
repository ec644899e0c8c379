package config

import (
	"fmt"
	"slices"
	"time"

	"dwell/internal/evidence"
)

// Evidence is what is considered besides timing.
type Evidence struct {
	Enabled   bool     `mapstructure:"enabled"`
	Catalogue string   `mapstructure:"catalogue"`
	Intel     []string `mapstructure:"intel"`
	// IntelRefresh and IntelMaxAge apply to lists fetched over HTTP.
	IntelRefresh time.Duration `mapstructure:"intel_refresh"`
	IntelMaxAge  time.Duration `mapstructure:"intel_max_age"`
}

// Geo is where to look up the owner of an address.
type Geo struct {
	ASNFile     string `mapstructure:"asn_file"`
	CountryFile string `mapstructure:"country_file"`
}

func evidenceKeys() []Key {
	return []Key{
		{Name: "evidence.enabled", Default: true, About: "Weigh evidence beside the rhythm (docs/detection.md): how the connections are spoken, out of Zeek's other logs. false: scores rest on the connections alone, and nothing else is read for them. Profile rita weighs none."},
		{Name: "evidence.catalogue", Default: "", About: "CSV file with known services of your own (docs/detection.md, evidence); its entries are added to the catalogue that comes with the program and replace those of the same domain and ports. Empty: catalogue.csv beside the configuration file, if it is there."},
		{Name: "evidence.intel", Default: []string{}, About: "Files or feeds (https://...) with indicators of compromise: addresses, networks, domains, JA3 and JA4 fingerprints, hashes of certificates, one a line, defanged (evil[.]example) too. PATH#COLUMN takes a column of a CSV, by its name in the first line or its number. Of a feed the last good copy is kept in the state directory. What cannot be used is reported, and the hunt continues."},
		{Name: "evidence.intel_refresh", Default: "1h", About: "How long the copy of a feed is taken without asking its server."},
		{Name: "evidence.intel_max_age", Default: "7d", About: "Maximum age of the last good copy of a feed that cannot be fetched; an older copy is not used."},
		{Name: "geo.asn_file", Default: "", About: "Database in MaxMind's format (GeoLite2-ASN.mmdb) with the autonomous system of each address. Empty, or where it says nothing: what Security Onion noted with the connections."},
		{Name: "geo.country_file", Default: "", About: "The same with countries (GeoLite2-Country.mmdb or GeoLite2-City.mmdb)."},
	}
}

// weightKeys are the weights of the final score's modifiers, one setting each.
func weightKeys() (keys []Key) {
	for _, t := range evidence.Terms() {
		keys = append(keys, Key{Name: "weights." + t.Name, Default: t.Weight, About: "What is added to the score when " + t.About + ". -1 to 1; 0 switches it off."})
	}
	return keys
}

func (c *Config) validateWeights() (errs []error) {
	for name := range c.Weights {
		if !slices.ContainsFunc(evidence.Terms(), func(t evidence.Term) bool { return t.Name == name }) {
			errs = append(errs, fmt.Errorf("weights.%s: no such setting%s", name, suggestion("weights."+name)))
		}
	}
	for _, t := range evidence.Terms() {
		if w := c.Weights[t.Name]; !(w >= -1 && w <= 1) {
			errs = append(errs, fmt.Errorf("weights.%s: %v is not between -1 and 1", t.Name, w))
		}
	}
	return errs
}

// ChangedWeights are the weights that differ from the defaults, nil if none does.
func (c *Config) ChangedWeights() (w evidence.Weights) {
	for _, t := range evidence.Terms() {
		if v := c.Weights[t.Name]; v != t.Weight {
			if w == nil {
				w = evidence.Weights{}
			}
			w[t.Name] = v
		}
	}
	return w
}
