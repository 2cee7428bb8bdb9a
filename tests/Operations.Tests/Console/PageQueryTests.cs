using System.Text.RegularExpressions;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.OperatorConsole;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Microsoft.AspNetCore.Components;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

/// <summary>Every page answers an address with unreadable values by a page.</summary>
public sealed partial class PageQueryTests(PostgreSqlServer server) : IAsyncLifetime
{
    private const string Id = "0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d";

    private static readonly string[] Values =
        ["abc", "", "-1", "99999999999999999999", "1.5", "%00", "%FF", "%zz", "1&NAME=2", "[]", "%22%3E"];

    private PageOwners _owners = null!;
    private OperationsUnderTest _operations = null!;
    private PageBrowser _browser = null!;

    /// <summary>All pages, with a value for each part of their addresses.</summary>
    public static TheoryData<string> Pages => [.. typeof(ConsoleService).Assembly.GetTypes()
        .SelectMany(type => type.GetCustomAttributes(typeof(RouteAttribute), false).OfType<RouteAttribute>())
        .Select(route => Part().Replace(route.Template, part => part.Groups[1].Value == "guid" ? Id : "7")).Order(StringComparer.Ordinal)];

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        _owners = await PageOwners.StartAsync();
        _operations = await OperationsUnderTest.StartAsync(DatabaseProvider.Sqlite, server, null, _owners.Settings);
        _browser = new PageBrowser(_operations);
        var none = new { items = Array.Empty<object>(), nextCursor = "further" };
        foreach (var list in new[] { "/ops/api/reservations", "/ops/api/deliveries", "/ops/api/waiting-rooms", "/api/concerts" })
            _owners.Answers[list] = none;
        var seats = Enumerable.Range(1, 3_000).Select(number => new { number, price = 5, status = "Available" });
        _owners.Answers["/api/schedules/7/seats"] = new { scheduleId = 7, seats };
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _operations.DisposeAsync();
        await _owners.DisposeAsync();
    }

    [Theory, MemberData(nameof(Pages))]
    public async Task Page_WithUnreadableValues_IsShown(string page)
    {
        var names = NamesOf((await _browser.OpenAsync(page)).Page);
        foreach (var (name, value) in names.SelectMany(name => Values.Select(value => (name, value))))
        {
            var address = $"{page}?{name}={value.Replace("NAME", name, StringComparison.Ordinal)}";
            var answer = await _browser.OpenAsync(address);

            Assert.True((int)answer.Status < 500 && answer.Page.Contains("<main id=\"content\"", StringComparison.Ordinal),
                $"{address}: {answer.Status}");
        }
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("?from=abc", 1)]
    [InlineData("?from=2001", 2001)]
    public async Task Seats_FromANumber_AreTheFollowingOnes(string query, int first)
    {
        var page = (await _browser.OpenAsync($"/ops/schedules/7{query}")).Page;

        Assert.Equal($"{first}", Seat().Match(page).Groups[1].Value);
    }

    // The values that a page reads are the fields of its filter and the parameters of its links to itself.
    private static string[] NamesOf(string page) => [.. Field().Matches(page).Concat(Parameter().Matches(page))
        .Select(name => name.Groups[1].Value).Append("cursor").Append("from").Append("columns").Distinct()];

    [GeneratedRegex(@"\{[A-Za-z]+:?([a-z]*)\}")]
    private static partial Regex Part();

    [GeneratedRegex("<(?:input|select)[^>]* name=\"([A-Za-z]+)\"")]
    private static partial Regex Field();

    [GeneratedRegex(@"[?;]([A-Za-z]+)=")]
    private static partial Regex Parameter();

    [GeneratedRegex("<span class=\"Available\"[^>]*>([0-9]+)<")]
    private static partial Regex Seat();
}
