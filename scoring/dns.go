package scoring

import (
	"math"
	"strings"
)

// DNSNames is what a client (or a resolver) queried below one registered domain.
type DNSNames struct {
	// Domain is the registered domain, without a dot at either end.
	Domain string
	// Names are the distinct names asked for, Domain at their end. The order does not matter.
	Names []string
	// Queries is how many queries there were, Unusual how many of them for TXT, NULL, CNAME or MX records.
	Queries, Unusual int
	// AnswerBytes is the total length of the answers, or Absent.
	AnswerBytes int64
	// Contacted says whether any host connected to an address in the answers; nil if that is not known.
	Contacted *bool
}

// DNSTunnel says whether a domain's names carry data.
type DNSTunnel struct {
	// Score is the value of the indicator.
	Score float64
	// Names is the number of distinct names, Length their mean length without the domain, Entropy the mean entropy of
	// that part, bits a character.
	Names           int
	Length, Entropy float64
	// Carried is the number of bytes that the distinct names could have carried out.
	Carried float64
	// Unusual is the share of queries for TXT, NULL, CNAME or MX; AnswerMean the mean length of an answer, or -1.
	Unusual, AnswerMean float64
	// Contacted is DNSNames.Contacted.
	Contacted *bool
}

const (
	// Names this long and with this entropy are encoded data. People and content networks make up names shorter than
	// wordLength.
	encodedLength, encodedEntropy, wordLength = 24, 3.2, 14
	// The weights of encoded names and of made-up ones.
	encodedWeight, wordWeight = 2.0, 0.5
	// Only labels of codedLength characters or more can look like data. Where codedShare of the names do, they are not
	// words.
	codedLength, codedShare = 8, 0.8
)

// ScoreDNSTunnel weighs the names by RITA's steps of 100, 500, 800 and 1,000 distinct names (0.2, 0.4, 0.6, 0.8). Names
// that look like encoded data weigh double, short plain ones half unless most queries are for records that carry data.
// Below 50 names it is 0.
func ScoreDNSTunnel(d DNSNames) DNSTunnel {
	t := DNSTunnel{Names: len(d.Names), AnswerMean: Absent, Contacted: d.Contacted}
	if d.Queries > 0 {
		t.Unusual = min(1, float64(d.Unusual)/float64(d.Queries))
		if d.AnswerBytes >= 0 {
			t.AnswerMean = float64(d.AnswerBytes) / float64(d.Queries)
		}
	}
	if t.Names == 0 {
		return t
	}
	length, coded := 0, 0
	for _, name := range d.Names {
		sub := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "."), d.Domain), ".")
		bits := entropy(sub)
		length += len(sub)
		if isCoded(sub) {
			coded++
		}
		t.Entropy += bits
		t.Carried += bits * float64(len(sub)) / 8
	}
	// Divided once, at the end, so that rounding does not move names of exactly encodedLength.
	t.Length, t.Entropy = float64(length)/float64(t.Names), t.Entropy/float64(t.Names)
	weight := 1.0
	switch {
	case t.Length >= encodedLength && t.Entropy >= encodedEntropy:
		weight = encodedWeight
	case t.Length < wordLength && t.Unusual < 0.5 && float64(coded) < codedShare*float64(t.Names):
		weight = wordWeight
	}
	t.Score = BucketedScore(float64(t.Names)*weight, ritaDNSThresholds())
	return t
}

// isCoded says whether a label looks like data: eight characters or more, with letters and digits mixed or almost no
// vowel. Entropy says nothing about so few characters: eight hex digits have 2.6 bits each, and so has a word of that
// length.
func isCoded(sub string) bool {
	for label := range strings.SplitSeq(sub, ".") {
		if len(label) < codedLength {
			continue
		}
		digits, vowels := 0, 0
		for i := range len(label) {
			switch c := label[i]; {
			case c >= '0' && c <= '9':
				digits++
			case strings.IndexByte("aeiouy", c) >= 0:
				vowels++
			}
		}
		mixed := digits > 0 && digits < len(label)
		if mixed && 8*digits >= len(label) || 4*vowels < len(label)-digits && digits < len(label) {
			return true
		}
	}
	return false
}

// entropy of a text's bytes, bits each.
func entropy(s string) float64 {
	var counts [256]int
	for i := range len(s) {
		counts[s[i]]++
	}
	sum := 0.0
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
