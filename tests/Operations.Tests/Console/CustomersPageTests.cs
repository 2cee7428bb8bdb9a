using System.Net;
using System.Text.Json;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>The form that erases a customer.</summary>
public sealed class CustomersPageTests(PostgreSqlServer server) : IAsyncLifetime
{
    private const string Page = "/ops/customers?userId=mina%26co";

    private PageOwners _owners = null!;
    private OperationsUnderTest _operations = null!;
    private PageBrowser _browser = null!;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _owners = await PageOwners.StartAsync();
        ShowReservations();
        _owners.Answers["/internal/customers/reservations"] = new { reservationIds = Array.Empty<Guid>(), hasUnfinished = false };
        foreach (var owner in new[] { "orchestrator", "queue", "seats", "points", "payments", "dataplatform" })
            _owners.Answers[$"/internal/customers/{owner}/erase"] = new { isDone = true };
        _operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, _owners.Settings);
        _browser = new PageBrowser(_operations);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _operations.DisposeAsync();
        await _owners.DisposeAsync();
    }

    [Fact]
    public async Task Page_WithoutACustomer_OnlyAsksForOne()
    {
        var page = (await _browser.OpenAsync("/ops/customers")).Page;

        Assert.DoesNotContain("value=\"erase\"", page, StringComparison.Ordinal);
        Assert.Empty(_owners.ReadsOf("/ops/api/reservations"));
    }

    [Fact]
    public async Task Page_OfAUserIdWithMarkup_ShowsItAsText()
    {
        var page = (await _browser.OpenAsync("/ops/customers?userId=%3Cb%3Ex%22%3C/b%3E")).Page;

        Assert.Contains("&lt;b&gt;x&quot;&lt;/b&gt;</h2>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>x", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_OfACustomer_ShowsWhatIsErased()
    {
        ShowReservations("Confirmed", "Cancelled", "Confirmed");
        var page = WebUtility.HtmlDecode((await _browser.OpenAsync(Page)).Page);

        Assert.Equal(["/ops/api/reservations?userId=mina%26co&limit=200"], _owners.ReadsOf("/ops/api/reservations"));
        Assert.Contains("href=\"/ops/reservations?userId=mina%26co&status=Confirmed\">Confirmed <b>2</b>", page, StringComparison.Ordinal);
        Assert.All(new[] { "reservations", "entries in waiting rooms", "the account, its ledger", "bodies of failed messages" },
            text => Assert.Contains(text, page, StringComparison.Ordinal));
        Assert.Contains("cannot be undone", page, StringComparison.Ordinal);
        Assert.DoesNotContain("have not ended", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Pending")]
    [InlineData("AwaitingPayment")]
    [InlineData("Paying")]
    [InlineData("Cancelling")]
    public async Task Page_OfACustomerWithAnUnfinishedReservation_NamesItInsteadOfTheForm(string status)
    {
        ShowReservations(status);
        var page = (await _browser.OpenAsync(Page)).Page;

        Assert.Contains("These reservations have not ended.", page, StringComparison.Ordinal);
        Assert.Contains($"<a class=\"id\" href=\"/ops/reservations/{Guid.Empty}\"", page, StringComparison.Ordinal);
        Assert.Contains("<form method=\"post\" hidden", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Erasure_Confirmed_LeadsToTheOperation()
    {
        var sent = await _browser.SubmitAsync(Page, "erase", ("typed", "mina&co"), ("reason", "A letter of May 3."));

        Assert.Equal(HttpStatusCode.SeeOther, sent.Status);
        var operation = sent.Headers.Location!.OriginalString;
        Assert.StartsWith("/ops/operations/", operation, StringComparison.Ordinal);
        await _operations.EndedAsync(Guid.Parse(operation["/ops/operations/".Length..]));
        var sentBody = _owners.Requests.First(request => request.Address.EndsWith("/erase", StringComparison.Ordinal)).Body;
        var command = JsonDocument.Parse(sentBody).RootElement;
        Assert.Equal(("mina&co", "olga", "A letter of May 3."), (command.GetProperty("userId").GetString(),
            command.GetProperty("operator").GetString(), command.GetProperty("reason").GetString()));
        var shown = (await _browser.OpenAsync(operation)).Page;
        Assert.Contains("7 of 7 done", shown, StringComparison.Ordinal);
        var action = (await _operations.ActionsAsync()).Single(row => row.Action == "Erase");
        Assert.Contains($"href=\"/ops/audit?action=Erase#a-{action.ActionId}\"", shown, StringComparison.Ordinal);
        Assert.Contains($"<tr id=\"a-{action.ActionId}\"", (await _browser.OpenAsync("/ops/audit?action=Erase")).Page,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mina/co")]
    [InlineData("mina%2Fco")]
    [InlineData("mina%252Fco")]
    [InlineData("../mina")]
    [InlineData("mina co+?#é")]
    public async Task Erasure_OfAnyUserId_IsOfExactlyThatCustomer(string userId)
    {
        var sent = await _browser.SubmitAsync($"/ops/customers?userId={Uri.EscapeDataString(userId)}", "erase", ("typed", userId),
            ("reason", "A letter of May 3."));

        Assert.Equal(HttpStatusCode.SeeOther, sent.Status);
        await _operations.EndedAsync(Guid.Parse(sent.Headers.Location!.OriginalString["/ops/operations/".Length..]));
        var commands = _owners.Requests.Where(request => request.Address.EndsWith("/erase", StringComparison.Ordinal)).ToList();
        Assert.Equal(6, commands.Count);
        Assert.All(commands, command =>
            Assert.Equal(userId, JsonDocument.Parse(command.Body).RootElement.GetProperty("userId").GetString()));
        Assert.Equal($"?userId={Uri.EscapeDataString(userId)}",
            new Uri(new Uri("http://owner"), _owners.ReadsOf("/internal/customers/reservations")[0]).Query);
    }

    [Theory]
    [InlineData("mina")]
    [InlineData("Mina&co")]
    [InlineData("")]
    public async Task Erasure_Mistyped_ChangesNothing(string typed)
    {
        var sent = await _browser.SubmitAsync(Page, "erase", ("typed", typed), ("reason", "A letter of May 3."));

        Assert.Equal(HttpStatusCode.OK, sent.Status);
        Assert.Contains("The user id is not mina&amp;co. Nothing has changed.", sent.Page, StringComparison.Ordinal);
        Assert.Contains("value=\"A letter of May 3.\"", sent.Page, StringComparison.Ordinal);
        Assert.Empty(await _operations.ReadAsync(database => database.Operations.AsNoTracking().ToListAsync()));
    }

    [Fact]
    public async Task Erasure_Refused_SaysWhy()
    {
        var sent = await _browser.SubmitAsync(Page, "erase", ("typed", "mina&co"), ("reason", "mina&co has asked for it."));

        Assert.Contains("Give a reason without the user id.", sent.Page, StringComparison.Ordinal);
        Assert.Contains("422 INVALID_REASON", sent.Page, StringComparison.Ordinal);
    }

    private void ShowReservations(params string[] statuses) => _owners.Answers["/ops/api/reservations"] = new
    {
        items = statuses.Select(status => new
        {
            reservationId = Guid.Empty,
            state = status,
            status,
            userId = "mina&co",
            seatNumbers = Array.Empty<int>(),
            remainingSteps = Array.Empty<string>()
        })
    };
}
