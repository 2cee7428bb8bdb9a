using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>Invalid settings stop the start of every host with one line that repeats no secret.</summary>
public sealed class DataPlatformRulesTests(PostgreSqlServer server)
{
    [Theory]
    [InlineData("Destination", "ftp://x/")]
    [InlineData("Destination", "user1:hunter2")]
    [InlineData("Destination", "https://u:hunter2@platform.example/")]
    [InlineData("Destination", "https://hunter2@platform.example/")]
    [InlineData("Destination", "http://u:hunter2@127.0.0.1/")]
    [InlineData("Destination", "mailto:hunter2@platform.example")]
    [InlineData("Destination", "file:///etc/platform")]
    [InlineData("Destination", "ws://platform.example/")]
    [InlineData("OrchestratorAddress", "ftp://orchestrator/")]
    [InlineData("OrchestratorAddress", "orchestrator:8080")]
    [InlineData("OrchestratorAddress", "http://u:hunter2@orchestrator:8080")]
    public async Task Address_ThatIsInvalid_StopsTheStart(string name, string value)
    {
        var error = await StopsAsync((name, value));
        Assert.StartsWith($"DataPlatform:{name} ", error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Destination_WithoutTls_RequiresAnAllowedNetwork() =>
        Assert.StartsWith("DataPlatform:Destination is not https",
            await StopsAsync(("Destination", "http://platform.example/"), ("AllowedNetworks", "")), StringComparison.Ordinal);

    [Theory]
    [InlineData("LeaseDuration", "00:00:19.9", "Timeout", "00:00:15")]
    [InlineData("BreakerMaxPause", "00:00:29", "BreakerPause", "00:00:30")]
    [InlineData("Retention", "23:59:59", "MaxAge", "1.00:00:00")]
    [InlineData("Retention", "1.00:00:00", "ReconciliationOverlap", "23:59:30")]
    public async Task Pair_ThatContradicts_StopsTheStartAndNamesBoth(string name, string value, string other, string otherValue)
    {
        var error = await StopsAsync((name, value), (other, otherValue));
        Assert.StartsWith($"DataPlatform:{name} is '{TimeSpan.Parse(value, System.Globalization.CultureInfo.InvariantCulture)}'", error,
            StringComparison.Ordinal);
        Assert.Contains($"DataPlatform:{other}", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://platform.example/reservations?key=1")]
    [InlineData("http://127.0.0.1:9/")]
    [InlineData("https://[2001:db8::1]:8443/hook")]
    public void Address_ThatIsValid_IsAccepted(string value) =>
        new DataPlatformOptions { Destination = new Uri(value), AllowedNetworks = ["127.0.0.0/8"] }.Check();

    private async Task<string> StopsAsync(params (string Name, string Value)[] settings)
    {
        var error = await Assert.ThrowsAsync<StartupException>(() => RelayUnderTest.StartAsync(
            DatabaseProvider.Sqlite, server, settings: [.. settings.Select(setting => ($"DataPlatform:{setting.Name}", setting.Value))]));
        Assert.DoesNotContain('\n', error.Message);
        return error.Message;
    }
}
