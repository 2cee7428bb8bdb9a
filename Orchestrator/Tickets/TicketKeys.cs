using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Orchestrator.Tickets;

/// <summary>A public key of tickets, as a JSON Web Key.</summary>
/// <param name="Kty">The type of the key, <c>EC</c>.</param>
/// <param name="Crv">The curve, <c>P-256</c>.</param>
/// <param name="X">The first coordinate, in base64url.</param>
/// <param name="Y">The second coordinate, in base64url.</param>
/// <param name="Kid">The id of the key, derived from the key itself.</param>
/// <param name="Use">The use of the key, <c>sig</c>.</param>
/// <param name="Alg">The algorithm, <c>ES256</c>.</param>
public sealed record TicketKey(string Kty, string Crv, string X, string Y, string Kid, string Use, string Alg);

/// <summary>The public keys of tickets, as a JSON Web Key Set.</summary>
/// <param name="Keys">The keys.</param>
public sealed record TicketKeySet(IReadOnlyList<TicketKey> Keys);

/// <summary>
/// The keys of tickets, read once from a PEM file. The first private key signs. All others are only published, so tickets signed by an
/// older key stay valid, and a verifier can learn of the next key before it signs.
/// </summary>
public sealed class TicketKeys
{
    private const string P256 = "1.2.840.10045.3.1.7";

    // 64 bits of the thumbprint keep the code of a ticket short.
    private const int KeyIdBytes = 8;

    private TicketKeys(IReadOnlyList<TicketKey> published, TicketSigningKey? signing)
    {
        Published = new TicketKeySet(published);
        Signing = signing;
    }

    /// <summary>The public keys.</summary>
    public TicketKeySet Published { get; }

    /// <summary>The key that signs; null if no tickets are issued.</summary>
    public TicketSigningKey? Signing { get; }

    /// <summary>Reads the keys of a file; none without a file.</summary>
    /// <exception cref="StartupException">The file cannot be read, or does not have usable keys.</exception>
    public static TicketKeys Read(string? file)
    {
        if (string.IsNullOrWhiteSpace(file))
            return new TicketKeys([], null);
        try
        {
            return Parse(File.ReadAllText(file));
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new StartupException(
                $"Tickets:KeyFile is '{file}', which cannot be used: {exception.Message.ReplaceLineEndings(" ")}; allowed: a PEM file with "
                    + "keys of the curve P-256, at least one of them private.");
        }
    }

    /// <summary>Creates a file with a new key, readable by its owner only. An existing file stays as it is.</summary>
    public static void CreateFile(string file)
    {
        if (File.Exists(file))
            return;
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        // A start that is killed meanwhile must not leave half a key.
        using (var stream = new FileStream(file + ".part", options))
            stream.Write(Encoding.ASCII.GetBytes(ecdsa.ExportPkcs8PrivateKeyPem() + "\n"));
        File.Move(file + ".part", file);
    }

    private static TicketKeys Parse(string text)
    {
        var published = new List<TicketKey>();
        TicketSigningKey? signing = null;
        for (var rest = text.AsSpan(); PemEncoding.TryFind(rest, out var found); rest = rest[found.Location.End..])
        {
            var label = rest[found.Label];
            // OpenSSL writes the name of the curve in a block of its own.
            if (label.SequenceEqual("EC PARAMETERS"))
                continue;
            using var ecdsa = ECDsa.Create();
            ecdsa.ImportFromPem(rest[found.Location]);
            var key = ToPublic(ecdsa.ExportParameters(includePrivateParameters: false));
            if (published.TrueForAll(known => known.Kid != key.Kid))
                published.Add(key);
            if (signing is null && label.EndsWith("PRIVATE KEY"))
                signing = new TicketSigningKey(key.Kid, ecdsa.ExportPkcs8PrivateKey());
        }
        return new TicketKeys(published, signing ?? throw new CryptographicException("it has no private key"));
    }

    private static TicketKey ToPublic(ECParameters parameters)
    {
        if (parameters.Curve.Oid.Value != P256)
            throw new CryptographicException("it has a key of another curve");
        var x = Base64Url.EncodeToString(parameters.Q.X);
        var y = Base64Url.EncodeToString(parameters.Q.Y);
        // The thumbprint of RFC 7638.
        var thumbprint = SHA256.HashData(Encoding.ASCII.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}"""));
        return new TicketKey("EC", "P-256", x, y, Base64Url.EncodeToString(thumbprint.AsSpan(0, KeyIdBytes)), "sig", "ES256");
    }
}

/// <summary>The key that signs tickets.</summary>
/// <param name="Kid">Its id.</param>
/// <param name="PrivateKey">The private key as PKCS #8.</param>
public sealed record TicketSigningKey(string Kid, byte[] PrivateKey);
