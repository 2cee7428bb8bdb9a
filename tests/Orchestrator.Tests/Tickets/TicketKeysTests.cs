using System.Security.Cryptography;
using ConcertSaga.Orchestrator.Tickets;
using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.Orchestrator.Tests.Tickets;

public sealed class TicketKeysTests : IDisposable
{
    private readonly string _file = Path.Combine(Directory.CreateTempSubdirectory("concertsaga-tickets-").FullName, "tickets.pem");
    private readonly ECDsa _old = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _new = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        _old.Dispose();
        _new.Dispose();
        Directory.Delete(Path.GetDirectoryName(_file)!, recursive: true);
    }

    /// <summary>The steps of a rotation: publish the new key, sign with it, forget the old private key, then the old key.</summary>
    [Fact]
    public void Read_DuringARotation_PublishesBothKeysAndSignsWithTheFirstPrivateOne()
    {
        var (oldId, newId) = (KidOf(_old), KidOf(_new));

        var announced = Read(_new.ExportSubjectPublicKeyInfoPem(), _old.ExportECPrivateKeyPem());
        Assert.Equal([newId, oldId], announced.Published.Keys.Select(key => key.Kid));
        Assert.Equal(oldId, announced.Signing!.Kid);

        var switched = Read("A note beside the keys.", _new.ExportPkcs8PrivateKeyPem(), _old.ExportPkcs8PrivateKeyPem());
        Assert.Equal([newId, oldId], switched.Published.Keys.Select(key => key.Kid));
        Assert.Equal(newId, switched.Signing!.Kid);

        var retired = Read(_new.ExportPkcs8PrivateKeyPem(), _old.ExportSubjectPublicKeyInfoPem(), _new.ExportSubjectPublicKeyInfoPem());
        Assert.Equal([newId, oldId], retired.Published.Keys.Select(key => key.Kid));
        Assert.Equal(newId, Read(_new.ExportPkcs8PrivateKeyPem()).Published.Keys.Single().Kid);
    }

    [Fact]
    public void CreateFile_Twice_KeepsTheFirstKeyForItsOwnerOnly()
    {
        TicketKeys.CreateFile(_file);
        var first = TicketKeys.Read(_file);
        TicketKeys.CreateFile(_file);

        Assert.Equal(first.Signing!.Kid, TicketKeys.Read(_file).Signing!.Kid);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_file));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no key")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")]
    [InlineData("public")]
    [InlineData("P-384")]
    [InlineData("RSA")]
    [InlineData("missing")]
    public void Read_WithoutAUsableKey_IsRefusedWithOneLine(string text)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var rsa = RSA.Create(2048);
        if (text != "missing")
            File.WriteAllText(_file, text switch
            {
                "public" => _old.ExportSubjectPublicKeyInfoPem(),
                "P-384" => other.ExportPkcs8PrivateKeyPem(),
                "RSA" => rsa.ExportPkcs8PrivateKeyPem(),
                _ => text
            });

        var failure = Assert.Throws<StartupException>(() => TicketKeys.Read(_file));

        Assert.StartsWith($"Tickets:KeyFile is '{_file}', which cannot be used: ", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith("; allowed: a PEM file with keys of the curve P-256, at least one of them private.", failure.Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    private string KidOf(ECDsa key) => Read(key.ExportPkcs8PrivateKeyPem()).Signing!.Kid;

    private TicketKeys Read(params string[] blocks)
    {
        File.WriteAllText(_file, string.Join('\n', blocks));
        return TicketKeys.Read(_file);
    }
}
