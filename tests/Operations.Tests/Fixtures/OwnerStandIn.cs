using System.Collections.Concurrent;
using System.Text.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Operations.Tests.Fixtures;

/// <summary>Answers as the owners of reservations and deliveries do, and as the services that the overview reads.</summary>
internal sealed class OwnerStandIn : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _repliesToLose;

    private OwnerStandIn(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.Single());

    /// <summary>The objects that match any filter, in their order.</summary>
    public List<Guid> Matching { get; } = [];

    /// <summary>The objects that cannot be changed.</summary>
    public ConcurrentDictionary<Guid, bool> Unchangeable { get; } = new();

    /// <summary>How often each object was changed.</summary>
    public ConcurrentDictionary<Guid, int> Changed { get; } = new();

    /// <summary>The changes that were asked for, by action id.</summary>
    public ConcurrentDictionary<Guid, BulkResult> Recorded { get; } = new();

    /// <summary>The objects whose changes are never recorded.</summary>
    public ConcurrentDictionary<Guid, bool> Lost { get; } = new();

    /// <summary>The requests, in their order.</summary>
    public ConcurrentQueue<BulkChange> Changes { get; } = new();

    public BulkChange? LastChange => Changes.LastOrDefault();

    public JsonElement LastChoice { get; private set; }

    /// <summary>Whether each request fails.</summary>
    public bool IsDown { get; set; }

    /// <summary>Called before it says who it is.</summary>
    public Action? Describing { get; set; }

    /// <summary>Whether it acts without recording, as if the messages had not been handled yet.</summary>
    public bool IsSlow { get; set; }

    /// <summary>How many of the next replies to changes are lost.</summary>
    public int RepliesToLose
    {
        get => _repliesToLose;
        set => _repliesToLose = value;
    }

    public static async Task<OwnerStandIn> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var owner = new OwnerStandIn(app);
        app.Use((context, next) => owner.IsDown ? Fail(context) : next(context));
        foreach (var kind in new[] { "reservations", "deliveries" })
        {
            app.MapPost($"/internal/{kind}/choice", (JsonElement body) => owner.Choose(body));
            app.MapPost($"/internal/{kind}/changes", (BulkChange body) => owner.Change(body));
        }
        app.MapGet("/internal/overview/reservations", () =>
            new ReservationOverview(new() { ["ConfirmingSeats"] = 3 }, 1, 2, null, [], [], 4, 5));
        app.MapGet("/internal/overview/waiting-rooms", () =>
            new WaitingRoomOverview([new WaitingRoomState(1, "Open", null, 2, 3, 4, 5)]));
        app.MapGet("/internal/overview/relay", () => new RelayOverview(1, null, 2, null, null, "Closed", null, null));
        app.MapGet("/internal/process", () =>
        {
            owner.Describing?.Invoke();
            return new ProcessReport("seats", "host-1", "1.2.3", DateTimeOffset.UnixEpoch, "Degraded", new() { ["broker"] = "Away." });
        });
        await app.StartAsync();
        return owner;
    }

    /// <summary>The settings with which Operations reaches it.</summary>
    public (string Key, string Value)[] Settings(params string[] services) =>
        [.. services.Select(service => ($"Operations:{service}Address", Address.ToString()))];

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static Task Fail(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return Task.CompletedTask;
    }

    private IResult Choose(JsonElement body)
    {
        LastChoice = body;
        if (body.TryGetProperty("filter", out var filter) && filter.TryGetProperty("state", out var state) && state.GetString() == "Lost")
            return Results.Json(new
            {
                code = "BAD_REQUEST",
                detail = "Wrong.",
                errors = new Dictionary<string, string[]>
                {
                    ["filter.state"] = ["Allowed: none."]
                }
            }, contentType: "application/problem+json", statusCode: 400);
        var ids = body.TryGetProperty("ids", out var given) ? [.. given.EnumerateArray().Select(id => id.GetGuid())]
            : Matching.Take(body.GetProperty("limit").GetInt32()).ToList();
        return Results.Ok(new BulkChosen<Guid, object>(ids,
            [.. ids.Take(body.GetProperty("sampleSize").GetInt32()).Select(id => new { reservationId = id })]));
    }

    private IResult Change(BulkChange body)
    {
        Changes.Enqueue(body);
        foreach (var (actionId, id) in body.Items.Where(item => body.Starts && !IsSlow && !Lost.ContainsKey(item.Id)))
        {
            Recorded.GetOrAdd(actionId, _ =>
            {
                if (Unchangeable.ContainsKey(id))
                    return new BulkResult(actionId, ItemOutcome.Skipped, "It has ended.");
                Changed.AddOrUpdate(id, 1, (_, count) => count + 1);
                return new BulkResult(actionId, ItemOutcome.Succeeded, null);
            });
        }
        return Interlocked.Decrement(ref _repliesToLose) >= 0 ? Results.StatusCode(503)
            : Results.Ok(body.Items.Select(item => Recorded.GetValueOrDefault(item.ActionId) ?? new BulkResult(item.ActionId, null, null)));
    }
}
