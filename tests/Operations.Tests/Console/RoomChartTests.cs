using System.Net;
using System.Text.RegularExpressions;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>The chart of a waiting room.</summary>
public sealed partial class RoomChartTests(PostgreSqlServer server) : IAsyncLifetime
{
    private static readonly DateTimeOffset Noon = new(2031, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private PageOwners _owners = null!;
    private OperationsUnderTest _operations = null!;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _owners = await PageOwners.StartAsync();
        _operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, _owners.Settings);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _operations.DisposeAsync();
        await _owners.DisposeAsync();
    }

    /// <summary>The minute 11:58 has no sample, and the first one is more than an hour ago.</summary>
    [Fact]
    public async Task Minutes_OfARoom_AreDrawnAndListed()
    {
        var page = await OpenAsync([Minute(-60, 9, 9, 9, 9), Minute(-3, 10, 4, 40, 7), Minute(-1, 5, 0, 10, 8), Minute(0, 0, 20, 20, 9)]);

        Assert.Contains("aria-label=\"Last hour: 24 entered, 33 admitted, at most 40 in line\"", page, StringComparison.Ordinal);
        Assert.Contains("<title>11:57 UTC, in line 40, entered 10, admitted 4, slots taken 7</title>", page, StringComparison.Ordinal);
        // The line has a scale of its own. Entered and admitted customers share one.
        Assert.Contains("<rect class=\"waits\" x=\"560\" y=\"4\" width=\"10\" height=\"76\"", page, StringComparison.Ordinal);
        Assert.Contains("<rect class=\"came\" x=\"561\" y=\"132\" width=\"4\" height=\"38\"", page, StringComparison.Ordinal);
        Assert.Contains("<rect class=\"good\" x=\"595\" y=\"94\" width=\"4\" height=\"76\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("x=\"570\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("x=\"-10\"", page, StringComparison.Ordinal);
        Assert.Equal(["20", "0", "20", "9", "10", "5", "0", "8", "40", "10", "4", "7", "9", "9", "9", "9"],
            Cell().Matches(page).Select(match => match.Groups[1].Value));
    }

    [Fact]
    public async Task Room_WithoutMinutes_SaysSo() => Assert.Contains("No customer has entered in the last hour.", await OpenAsync([]),
        StringComparison.Ordinal);

    [Theory]
    [InlineData(90, 2.0, "waits about 45.0 s")]
    [InlineData(0, 2.0, null)]
    [InlineData(90, 0.0, null)]
    public async Task Line_WithARate_HasAnEstimate(long waiting, double rate, string? estimate)
    {
        var page = await OpenAsync([], waiting, rate);

        Assert.Equal(estimate is not null, page.Contains(estimate ?? "waits about", StringComparison.Ordinal));
    }

    private static object Minute(int minute, long entered, long admitted, long inLine, int slotsTaken) =>
        new { at = Noon.AddMinutes(minute), entered, admitted, inLine, slotsTaken };

    private async Task<string> OpenAsync(object[] minutes, long waiting = 0, double rate = 0)
    {
        var settings = new { capacity = 100, paused = false };
        _owners.Answers["/ops/api/waiting-rooms/1"] =
            new { concertId = 1, admission = "Open", waiting, rate, settings, effective = settings, minutes };
        return WebUtility.HtmlDecode((await new PageBrowser(_operations).OpenAsync("/ops/waiting-rooms/1")).Page);
    }

    [GeneratedRegex("<td class=\"num\">(\\d+)</td>")]
    private static partial Regex Cell();
}
