using System.Net;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>What the pages ask of the owners: the address of a page says it all, and a form sends its reason.</summary>
public sealed class PageRequestTests(PostgreSqlServer server) : IAsyncLifetime
{
    private const string Delivery = "0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d";

    private PageOwners _owners = null!;
    private OperationsUnderTest _operations = null!;
    private PageBrowser _browser = null!;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _owners = await PageOwners.StartAsync();
        _operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, _owners.Settings);
        _browser = new PageBrowser(_operations);
        var none = new { items = Array.Empty<object>(), nextCursor = "further" };
        foreach (var list in new[] { "/ops/api/reservations", "/ops/api/deliveries", "/ops/api/waiting-rooms", "/api/concerts" })
            _owners.Answers[list] = none;
        _owners.Answers["/ops/api/deliveries/destination"] = new { breaker = "Closed", actions = Array.Empty<object>() };
        _owners.Answers[$"/ops/api/deliveries/{Delivery}"] = new
        {
            delivery = new { deliveryId = Delivery, reservationId = Delivery, eventType = "reservation.confirmed", status = "Dead" },
            body = new { },
            attempts = Array.Empty<object>(),
            actions = Array.Empty<object>()
        };
        var settings = new { capacity = 100, paused = false };
        _owners.Answers["/ops/api/waiting-rooms/1"] = new { concertId = 1, admission = "Open", settings, effective = settings };
        _owners.Answers["/internal/schedules/7"] = new { scheduleId = 7, concertId = 1 };
        _owners.Answers["/api/schedules/7/seats"] = new { scheduleId = 7, seats = Array.Empty<object>() };
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _operations.DisposeAsync();
        await _owners.DisposeAsync();
    }

    [Theory]
    [InlineData("/ops/reservations?state=Confirmed&status=Paying&userId=a%26b&concertId=1&scheduleId=2&seat=3&failureCode=X&stuck=true"
        + "&retrying=true&createdFrom=2031-05-01T10:00&createdTo=2031-05-02T10:00&sort=oldest&columns=user&cursor=c",
        "/ops/api/reservations?state=Confirmed&status=Paying&userId=a%26b&concertId=1&scheduleId=2&seat=3&failureCode=X&stuck=true"
        + "&retrying=true&createdFrom=2031-05-01T10%3A00%3A00Z&createdTo=2031-05-02T10%3A00%3A00Z&sort=oldest&cursor=c&limit=100")]
    [InlineData("/ops/deliveries?status=Dead&eventType=reservation.cancelled&reservationId=r&cursor=c",
        "/ops/api/deliveries?status=Dead&eventType=reservation.cancelled&reservationId=r&cursor=c&limit=100")]
    [InlineData("/ops/waiting-rooms?cursor=c", "/ops/api/waiting-rooms?cursor=c&limit=100")]
    [InlineData("/ops/schedules?cursor=c", "/api/concerts?cursor=c&limit=10")]
    public async Task List_AtAnAddress_AsksForThat(string page, string asked)
    {
        var answer = await _browser.OpenAsync(page);

        Assert.Equal([asked], _owners.ReadsOf(asked.Split('?')[0]));
        var (next, first) = (page.Replace("cursor=c", "cursor=further", StringComparison.Ordinal), page.Replace("cursor=c", "",
            StringComparison.Ordinal).TrimEnd('?', '&'));
        Assert.Contains(LinksOf(answer.Page), link => link == next);
        Assert.Contains(LinksOf(answer.Page), link => link == first);
    }

    [Fact]
    public async Task Audit_AtAnAddress_AsksEachOwnerForThatAndNamesTheMissingOnes()
    {
        _owners.Answers["/internal/operator-actions/seats"] = new { items = Array.Empty<object>() };
        var page = (await _browser.OpenAsync("/ops/audit?operator=olga&action=Erase&target=customers/x")).Page;

        Assert.Equal(["/internal/operator-actions/points?operator=olga&action=Erase&target=customers%2Fx&limit=101"],
            _owners.ReadsOf("/internal/operator-actions/points"));
        Assert.Contains("No answer from: Orchestrator, Queue, Points, Payments, DataPlatform. Their actions are missing.", page,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task FailedMessages_AtAnAddress_AreTheMatchingOnes()
    {
        await _operations.FailAsync(1, "Test.Lost");
        await _operations.FailAsync(1, "Test.Found");

        Assert.Contains("1</a></td>", (await _browser.OpenAsync("/ops/failed-messages")).Page, StringComparison.Ordinal);
        Assert.Equal(1, await RowsAsync("exception=Test.Found"));
        Assert.Equal(2, await RowsAsync("queue=points-deduct&kind=Error"));
        Assert.Equal(0, await RowsAsync("kind=Dead"));
        Assert.Equal(0, await RowsAsync("queue=seats-hold"));
        Assert.Equal(0, await RowsAsync("messageType=Other"));
        Assert.Equal(0, await RowsAsync("status=Discarded"));
    }

    [Theory]
    [InlineData("/ops/waiting-rooms/1", "save", "capacity=7&reason=Why.", "PATCH /ops/api/waiting-rooms/1",
        """{"capacity":7,"reason":"Why."}""")]
    [InlineData("/ops/waiting-rooms/1", "pause", "paused=true&reason=Why.", "PATCH /ops/api/waiting-rooms/1",
        """{"paused":true,"reason":"Why."}""")]
    [InlineData("/ops/schedules/7", "move", "startsAt=2031-05-01T10:00&reason=Why.", "PATCH /ops/api/schedules/7",
        """{"startsAt":"2031-05-01T10:00:00Z","reason":"Why."}""")]
    [InlineData("/ops/deliveries", "pause", "act=pause&reason=Why.", "POST /ops/api/deliveries/destination/pause", """{"reason":"Why."}""")]
    [InlineData("/ops/deliveries", "pause", "act=resume&reason=Why.", "POST /ops/api/deliveries/destination/resume",
        """{"reason":"Why."}""")]
    [InlineData($"/ops/deliveries/{Delivery}", "redrive", "reason=Why.", $"POST /ops/api/deliveries/{Delivery}/send-again",
        """{"reason":"Why."}""")]
    [InlineData($"/ops/deliveries/{Delivery}", "discard", "reason=Why.", $"POST /ops/api/deliveries/{Delivery}/discard",
        """{"reason":"Why."}""")]
    public async Task Form_Sent_IsTheChangeWithItsReason(string page, string form, string fields, string change, string body)
    {
        await _browser.SubmitAsync(page, form, [.. fields.Split('&').Select(field => (field.Split('=')[0], field.Split('=')[1]))]);

        var (method, address, sent) = _owners.Change;
        Assert.Equal((change, body), ($"{method} {address}", sent));
    }

    [Fact]
    public async Task Settings_Reviewed_AreNotYetSaved()
    {
        var sent = await _browser.SubmitAsync("/ops/waiting-rooms/1", "review", ("capacity", "7"));

        Assert.Contains("What will change", sent.Page, StringComparison.Ordinal);
        Assert.DoesNotContain(_owners.Requests, request => request.Method != "GET");
    }

    [Theory]
    [InlineData("8", 0)]
    [InlineData("", 0)]
    [InlineData("7", 1)]
    public async Task Schedule_Cancelled_NeedsItsNumberTyped(string typed, int changes)
    {
        var sent = await _browser.SubmitAsync("/ops/schedules/7", "cancel", ("typed", typed), ("reason", "Why."));

        var begun = await _operations.ReadAsync(database => database.Operations.AsNoTracking().ToListAsync());
        Assert.Equal(Enumerable.Repeat("Why.", changes), begun.Select(operation => operation.Reason));
        Assert.Equal(changes == 0, sent.Page.Contains("The number is not 7.", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("7", null, "INVALID_REASON")]
    [InlineData("101", "100", "The number is not 101.")]
    [InlineData("101", null, "The number is not 101.")]
    public async Task Change_WithoutAllConfirmations_DoesNotStart(string matched, string? typed, string said)
    {
        var token = PageBrowser.TokenOf((await _browser.OpenAsync("/ops/change")).Page);
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["_handler"] = "start",
            ["form-token"] = token,
            ["kind"] = "failed-messages/discard",
            ["selection"] = Delivery,
            ["matched"] = matched,
            ["typed"] = typed ?? "",
            ["reason"] = matched == "7" ? "" : "Why."
        });
        var sent = await _browser.SendAsync("POST", "/ops/change", content: form);

        Assert.Equal(HttpStatusCode.OK, sent.Status);
        Assert.Contains(said, sent.Page, StringComparison.Ordinal);
    }

    private async Task<int> RowsAsync(string query) =>
        (await _browser.OpenAsync($"/ops/failed-messages?{query}")).Page.Split("<tr data-key=").Length - 1;

    private static string[] LinksOf(string page) =>
        [.. WebUtility.HtmlDecode(page).Split("href=\"").Skip(1).Select(link => link.Split('"')[0])];
}
