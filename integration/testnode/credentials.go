package testnode

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// adminUser is the node's only user, a superuser.
const adminUser = "testnode"

// authority is a certificate authority made for one start. No other host trusts it, and its key is never written.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the test node's CA key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "dwell test node CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(7 * 24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the test node's CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the test node's CA: %w", err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

// newSerial returns a unique serial number: one CA signs for several nodes.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a certificate's serial number: %w", err)
	}
	return serial, nil
}

// writeTo writes ca.pem, cert.pem and key.pem to a directory: a certificate for 127.0.0.1 and localhost, valid for HTTP
// and for both ends of the transport between nodes.
func (a *authority) writeTo(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the test node's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "dwell test node"},
		NotBefore:    a.cert.NotBefore,
		NotAfter:     a.cert.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("make the test node's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the test node's key: %w", err)
	}
	files := map[string][]byte{
		"ca.pem":   a.pem,
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
	return writeFiles(folder, files)
}

// writeUsers writes the file realm's three files to the node's configuration directory.
func writeUsers(folder, user, password string) error {
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	return writeFiles(folder, map[string][]byte{
		"users":       []byte(user + ":" + hash + "\n"),
		"users_roles": []byte("superuser:" + user + "\n"),
		"roles.yml":   nil,
	})
}

// hashPassword hashes like Elasticsearch's PBKDF2 hasher: {PBKDF2}COST$SALT$HASH, HMAC-SHA-512, 32 bytes each of salt
// and hash. The lowest cost suffices for a password of 192 random bits and makes requests cheaper.
func hashPassword(password string) (string, error) {
	const cost = 1000
	salt := make([]byte, 32)
	rand.Read(salt) // never fails, as documented
	hash, err := pbkdf2.Key(sha512.New, password, salt, cost, 32)
	if err != nil {
		return "", fmt.Errorf("hash the test node's password: %w", err)
	}
	b := base64.StdEncoding
	return fmt.Sprintf("{PBKDF2}%d$%s$%s", cost, b.EncodeToString(salt), b.EncodeToString(hash)), nil
}

// newPassword returns a password of 192 random bits that needs no quoting in a shell or a URL.
func newPassword() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails, as documented
	return base64.RawURLEncoding.EncodeToString(b)
}

func writeFiles(folder string, files map[string][]byte) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return fmt.Errorf("write the test node's configuration: %w", err)
		}
	}
	return nil
}
