using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.DataPlatformStub;

/// <summary>What a receiver is started with.</summary>
public sealed record ReceiverOptions
{
    /// <summary>The port on loopback; 0 for any that is free.</summary>
    public int Port { get; init; }

    /// <summary>The secrets a request may be signed with.</summary>
    public required IReadOnlyList<string> Secrets { get; init; }

    /// <summary>How it misbehaves at first.</summary>
    public Behaviour Behaviour { get; init; } = new();

    /// <summary>How many events are remembered; each takes a few hundred bytes.</summary>
    public int Remembered { get; init; } = 100_000;

    /// <summary>Makes the choices of one run those of another; null for any.</summary>
    public int? Seed { get; init; }

    /// <summary>Its time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// A small data platform: takes signed events at <c>POST /events</c> on loopback, remembers them, and misbehaves on request. An event that was
/// taken before is answered 204 again and counted, as a good receiver does. What was not signed gets 401, and what is no event 400.
/// </summary>
public sealed class Receiver : IAsyncDisposable
{
    private const int LargestBody = 256 * 1024;

    private readonly WebApplication _app;
    private readonly ReceiverOptions _options;
    private readonly WebhookSignatures _signatures;
    private readonly ReceivedEvents _events;
    private readonly Random _random;
    private readonly Lock _choosing = new();
    private volatile Behaviour _behaviour;

    private Receiver(WebApplication app, ReceiverOptions options)
    {
        _app = app;
        _options = options;
        _signatures = new WebhookSignatures(options.Secrets, options.Clock);
        _events = new ReceivedEvents(options.Remembered, options.Clock.GetUtcNow());
        // Nothing is decided by it but which requests fail.
#pragma warning disable CA5394
        _random = options.Seed is { } seed ? new Random(seed) : new Random();
#pragma warning restore CA5394
        _behaviour = options.Behaviour.Checked();
        app.MapPost("/events", TakeAsync);
        app.MapGet("/received", (int? last) => last is null or (>= 0 and <= ReceivedEvents.MostBodies)
            ? Results.Ok(Report(last ?? 20)) : Results.BadRequest($"last must be between 0 and {ReceivedEvents.MostBodies}."));
        app.MapGet("/received/{reservationId:guid}", (Guid reservationId) => _events.Of(reservationId));
        app.MapGet("/behaviour", () => Behaviour);
        app.MapPost("/behaviour", Change);
        app.MapGet("/health/ready", () => Results.Ok(new { status = "Healthy" }));
    }

    /// <summary>Where events are sent to.</summary>
    public Uri Address => new(new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()), "/events");

    /// <summary>The secrets a request may be signed with.</summary>
    public IReadOnlyList<string> Secrets => _options.Secrets;

    /// <summary>How it misbehaves; can be changed at any time.</summary>
    public Behaviour Behaviour
    {
        get => _behaviour;
        set => _behaviour = value.Checked();
    }

    /// <summary>Starts one in this process.</summary>
    /// <exception cref="FormatException">An option is out of its limits; the message names it.</exception>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<Receiver> StartAsync(ReceiverOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, options.Port);
            kestrel.Limits.MaxRequestBodySize = LargestBody;
            kestrel.AddServerHeader = false;
        });
        var app = builder.Build();
        try
        {
            var receiver = new Receiver(app, options);
            await app.StartAsync();
            return receiver;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>What came so far, with the newest <paramref name="last"/> in full.</summary>
    public ReceivedReport Report(int last = 0) => _events.Report(last);

    /// <summary>What came of a reservation, in the order in which it came.</summary>
    public IReadOnlyList<ReceivedEvent> EventsOf(Guid reservationId) => _events.Of(reservationId);

    /// <summary>Serves until the process is told to end.</summary>
    public Task WaitForShutdownAsync() => _app.WaitForShutdownAsync();

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        var behaviour = _behaviour;
        var (fate, early) = Choose(behaviour);
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
        var body = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        if (behaviour.Delay > TimeSpan.Zero)
            await Task.Delay(behaviour.Delay, _options.Clock, context.RequestAborted);

        if (fate == Fate.Reset && early)
        {
            Reset(context);
            return;
        }
        if (fate == Fate.Fail)
        {
            Fail(context.Response, behaviour);
            return;
        }
        var headers = context.Request.Headers;
        var id = headers["webhook-id"].ToString();
        if (_signatures.FindFault(id, headers["webhook-timestamp"].ToString(), headers["webhook-signature"].ToString(), body.Span) is { } fault)
        {
            await RefuseAsync(context.Response, StatusCodes.Status401Unauthorized, fault);
            return;
        }
        if (WebhookEvent.Read(body) is not { } content)
        {
            await RefuseAsync(context.Response, StatusCodes.Status400BadRequest, "the body is no event with type, timestamp and data");
            return;
        }
        _events.Take(id, content, _options.Clock.GetUtcNow(), body.Span);
        if (fate == Fate.Reset)
            Reset(context);
        else
            context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private (Fate Fate, bool Early) Choose(Behaviour behaviour)
    {
        if (behaviour is { FailRate: 0, ResetRate: 0 })
            return (Fate.Take, false);
        lock (_choosing)
        {
#pragma warning disable CA5394 // As above.
            var (reset, early, fail) = (_random.NextDouble() < behaviour.ResetRate, _random.Next(2) == 0, _random.NextDouble() < behaviour.FailRate);
#pragma warning restore CA5394
            return (reset ? Fate.Reset : fail ? Fate.Fail : Fate.Take, early);
        }
    }

    private void Fail(HttpResponse response, Behaviour behaviour)
    {
        _events.Fail();
        response.StatusCode = behaviour.Status;
        if (behaviour.Status < 400)
            // A place that would take it: whoever follows is found out.
            response.Headers.Location = Address.AbsoluteUri;
        if (behaviour.RetryAfter is { } seconds)
            response.Headers.RetryAfter = behaviour.RetryAfterAsDate
                ? _options.Clock.GetUtcNow().AddSeconds(seconds).ToString("R", CultureInfo.InvariantCulture) : seconds.ToString(CultureInfo.InvariantCulture);
    }

    private void Reset(HttpContext context)
    {
        _events.Reset();
        // Closed without lingering, a connection is reset and not ended.
        if (context.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
            socket.LingerState = new LingerOption(true, 0);
        context.Abort();
    }

    private Task RefuseAsync(HttpResponse response, int status, string reason)
    {
        _events.Refuse(reason);
        response.StatusCode = status;
        return response.WriteAsync(reason);
    }

    private IResult Change(BehaviourChange change)
    {
        try
        {
            return Results.Ok(Behaviour = change.ApplyTo(Behaviour));
        }
        catch (FormatException exception)
        {
            return Results.BadRequest(exception.Message);
        }
    }

    private enum Fate
    {
        Take,
        Fail,
        Reset
    }
}
