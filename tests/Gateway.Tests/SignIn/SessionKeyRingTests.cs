using ConcertSaga.Gateway.SignIn;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.SignIn;

public sealed class SessionKeyRingTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("concertsaga-keys-");

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Two keys would be two sessions: a gateway that knows one only learns of the other a day later.</summary>
    [Fact]
    public void Folder_OfGatewaysThatStartTogether_GetsOneKey()
    {
        var folder = Path.Combine(_folder.FullName, "new");
        WebApplicationBuilder[] builders = [.. Enumerable.Range(0, 6).Select(_ => GatewayHost.Builder([]))];
        using var together = new Barrier(builders.Length);
        Thread[] starts = [.. builders.Select(builder => new Thread(() =>
        {
            together.SignalAndWait();
            builder.AddKeyRing(folder);
        }))];
        foreach (var start in starts)
            start.Start();
        foreach (var start in starts)
            start.Join();

        Assert.Single(Directory.GetFiles(folder, "key-*.xml"));
        IDataProtector[] hosts = [.. builders.Select(builder => builder.Services.BuildServiceProvider()
            .GetRequiredService<IDataProtectionProvider>().CreateProtector("x"))];
        var text = hosts[0].Protect("y");
        Assert.All(hosts, host => Assert.Equal("y", host.Unprotect(text)));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
    }

    [Fact]
    public void Folder_ThatIsAFile_FailsTheStart()
    {
        var file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "");

        var failure = Assert.Throws<StartupException>(() => GatewayHost.Builder([]).AddKeyRing(file));

        Assert.StartsWith($"Authentication:Pages:KeyFolder is '{file}', which cannot be used: ", failure.Message, StringComparison.Ordinal);
        Assert.Contains("; allowed: ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }
}
