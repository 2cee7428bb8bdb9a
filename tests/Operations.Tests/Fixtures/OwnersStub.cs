using System.Collections.Concurrent;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Operations.Tests.Fixtures;

/// <summary>The internal routes of all owners, with the rows that a test gives them.</summary>
internal sealed class OwnersStub : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OwnersStub(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.Single());

    /// <summary>The paths that do not answer.</summary>
    public ConcurrentDictionary<string, bool> Away { get; } = new();

    /// <summary>The number of requests by path.</summary>
    public ConcurrentDictionary<string, int> Requests { get; } = new();

    /// <summary>The actions of each owner; the ids of one instant are in the reverse order of .NET.</summary>
    public Dictionary<string, List<OperatorActionView>> Actions { get; } = [];

    public ConcurrentDictionary<Guid, ReservationFact> Reservations { get; } = new();

    public ConcurrentDictionary<Guid, SeatFact> Seats { get; } = new();

    public ConcurrentDictionary<Guid, PointFact> Points { get; } = new();

    public ConcurrentDictionary<Guid, PaymentFact> Payments { get; } = new();

    public ConcurrentDictionary<string, AccountFact> Accounts { get; } = new();

    public ConcurrentBag<DeliveryFact> Deliveries { get; } = [];

    /// <summary>Runs before each answer with the facts of accounts.</summary>
    public Action BeforeAccounts { get; set; } = () => { };

    /// <summary>The version in the saga's part of a report; null takes that of the fact.</summary>
    public Func<int>? Version { get; set; }

    /// <summary>The settings of an operations service that calls this stub.</summary>
    public (string, string)[] Settings =>
    [
        .. new[] { "Orchestrator", "Seats", "Points", "Payments", "Queue", "DataPlatform" }
            .Select(owner => ($"Operations:{owner}Address", $"{Address}"))
    ];

    public static async Task<OwnersStub> StartAsync()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var stub = new OwnersStub(app);
        app.Use((context, next) =>
        {
            var path = context.Request.Path.Value!;
            stub.Requests.AddOrUpdate(path, 1, (_, count) => count + 1);
            if (!stub.Away.ContainsKey(path))
                return next(context);
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        });
        app.MapGet("/internal/operator-actions/{owner}", stub.ListActions);
        app.MapGet("/internal/reservations/{id:guid}", stub.ReadSaga);
        app.MapGet("/internal/facts/reservations", (int limit, string? after) => Keys(stub.Reservations.Keys.Select(Text), limit, after));
        app.MapGet("/internal/facts/unfinished", (int limit, string? after) => Keys(stub.Reservations.Values
            .Where(row => row.Deadline is not null).Select(row => Text(row.ReservationId)), limit, after));
        app.MapGet("/internal/facts/seats", (int limit, string? after) => Keys(stub.Seats.Keys.Select(Text), limit, after));
        app.MapGet("/internal/facts/points", (int limit, string? after) => Keys(stub.Points.Keys.Select(Text), limit, after));
        app.MapGet("/internal/facts/accounts", (int limit, string? after) => Keys(stub.Accounts.Keys, limit, after));
        app.MapPost("/internal/facts/reservations", (FactRequest body) =>
            new SagaFacts([.. Of(stub.Reservations, body.Ids)], DateTimeOffset.MinValue));
        app.MapPost("/internal/facts/seats", (FactRequest body) => Of(stub.Seats, body.Ids));
        app.MapPost("/internal/facts/points", (FactRequest body) => Of(stub.Points, body.Ids));
        app.MapPost("/internal/facts/payments", (FactRequest body) => Of(stub.Payments, body.Ids));
        app.MapPost("/internal/facts/queue", (FactRequest body) => Array.Empty<QueueEntryFact>());
        app.MapPost("/internal/facts/deliveries", (FactRequest body) =>
            new DeliveryFacts([.. stub.Deliveries.Where(row => body.Ids.Contains(row.ReservationId))], DateTimeOffset.MinValue));
        app.MapPost("/internal/facts/accounts", (AccountFactRequest body) =>
        {
            stub.BeforeAccounts();
            return Of(stub.Accounts, body.UserIds);
        });
        await app.StartAsync();
        return stub;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static string Text(Guid id) => $"{id}";

    private static FactKeys Keys(IEnumerable<string> keys, int limit, string? after)
    {
        string[] page = [.. keys.Order(StringComparer.Ordinal).Where(key => string.CompareOrdinal(key, after ?? "") > 0).Take(limit)];
        return new FactKeys(page, page.Length == limit ? page[^1] : null);
    }

    private static List<TValue> Of<TKey, TValue>(ConcurrentDictionary<TKey, TValue> rows, IEnumerable<TKey> keys)
        where TKey : notnull => [.. keys.Where(rows.ContainsKey).Select(key => rows[key])];

    private Page<OperatorActionView> ListActions(string owner, string? @operator, int limit, string? cursor)
    {
        var rows = Actions.GetValueOrDefault(owner, []).Where(row => @operator is null || row.Operator == @operator);
        if (Paging.Cursor<InstantKey<Guid>>(cursor) is { } after)
            rows = rows.Where(row => row.At < after.At || (row.At == after.At && (after.Id == Guid.AllBitsSet || row.ActionId > after.Id)));
        return Paging.Cut(rows.OrderByDescending(row => row.At).ThenBy(row => row.ActionId).Take(limit + 1).ToList(), limit,
            row => new InstantKey<Guid>(row.At, row.ActionId));
    }

    private IResult ReadSaga(Guid id) => Reservations.TryGetValue(id, out var row)
        ? Results.Ok(new
        {
            reservation = new { reservationId = id, state = row.State, version = Version?.Invoke() ?? row.Version, row.QueueTokenId },
            transitions = new[] { new { sequence = 1 } },
            actions = Array.Empty<object>()
        })
        : Results.NotFound();
}
