package securityonion

import (
	"crypto/sha1" //nolint:gosec // The Community ID specification requires SHA-1; no secret depends on it.
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// CommunityID is the flow hash of the Community ID specification, version 1, seed 0, as Zeek and Elasticsearch compute
// it: the same for both directions. protocol is the IP protocol number; for ICMP the ports are type and code, as in
// Zeek. It is empty if the addresses are of different families.
func CommunityID(protocol uint8, src, dst netip.Addr, srcPort, dstPort uint16) string {
	src, dst = src.Unmap(), dst.Unmap()
	if !src.IsValid() || src.BitLen() != dst.BitLen() {
		return ""
	}
	oneWay := false
	switch protocol {
	case 1:
		dstPort, oneWay = counterpart(icmp4(), srcPort, dstPort)
	case 58:
		dstPort, oneWay = counterpart(icmp6(), srcPort, dstPort)
	case 6, 17, 132:
	default:
		srcPort, dstPort = 0, 0
	}
	if c := src.Compare(dst); !oneWay && (c > 0 || c == 0 && srcPort > dstPort) {
		src, dst, srcPort, dstPort = dst, src, dstPort, srcPort
	}
	var room [40]byte
	b := append(room[:0], 0, 0)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	b = append(b, protocol, 0)
	if protocol == 6 || protocol == 17 || protocol == 132 || protocol == 1 || protocol == 58 {
		b = binary.BigEndian.AppendUint16(b, srcPort)
		b = binary.BigEndian.AppendUint16(b, dstPort)
	}
	sum := sha1.Sum(b) //nolint:gosec // See the import.
	var text [30]byte
	out := append(text[:0], "1:"...)
	return string(base64.StdEncoding.AppendEncode(out, sum[:]))
}

// counterpart returns the second "port" of an ICMP message: the type that answers it. Without one it is the code, and
// the flow is one-way.
func counterpart(answers [][2]uint16, typ, code uint16) (uint16, bool) {
	for _, a := range answers {
		switch typ {
		case a[0]:
			return a[1], false
		case a[1]:
			return a[0], false
		}
	}
	return code, true
}

// icmp4 and icmp6 pair request and reply types: echo, router, timestamp, information, mask; for IPv6 echo, router,
// neighbor, listener, node information and address mapping.
func icmp4() [][2]uint16 { return [][2]uint16{{8, 0}, {10, 9}, {13, 14}, {15, 16}, {17, 18}} }
func icmp6() [][2]uint16 {
	return [][2]uint16{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {139, 140}, {144, 145}}
}
