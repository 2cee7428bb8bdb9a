using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Operations.Data;
using ConcertSaga.OperatorConsole;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Operations.Tests.Fixtures;

/// <summary>The operations service on the in-memory bus, beside a consumer of one queue that fails on demand.</summary>
internal sealed class OperationsUnderTest : IAsyncDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    // Ten thousand items on a slow machine.
    private static readonly TimeSpan OperationLimit = TimeSpan.FromMinutes(5);

    private readonly RunningService _service;

    private OperationsUnderTest(RunningService service, ShiftedClock clock, Handled handled)
    {
        _service = service;
        Clock = clock;
        Handled = handled;
    }

    public ShiftedClock Clock { get; }

    /// <summary>What the consumer of <c>points-deduct</c> has handled.</summary>
    public Handled Handled { get; }

    public HttpClient Stranger => _service.Stranger;

    public static async Task<OperationsUnderTest> StartAsync(DatabaseProvider provider, PostgreSqlServer server,
        IInterceptor? interceptor = null, params (string Key, string Value)[] settings)
    {
        var clock = new ShiftedClock();
        var handled = new Handled();
        var service = await RunningService.StartAsync("Operations", await TestDatabase.CreateAsync(provider, server, "Operations"), clock,
            builder =>
            {
                builder.Services.AddSingleton(handled);
                builder.AddOperations();
                if (interceptor is not null)
                    builder.Services.ConfigureDbContext<SqliteOperationsDbContext>(options => options.AddInterceptors(interceptor))
                        .ConfigureDbContext<PostgreSqlOperationsDbContext>(options => options.AddInterceptors(interceptor));
            },
            bus =>
            {
                bus.AddConsumer<Consumer, ConsumerDefinition>();
                bus.AddOperationsConsumers();
            },
            app =>
            {
                app.MapOperations();
                app.MapConsole();
            }, settings);
        return new OperationsUnderTest(service, clock, handled);
    }

    public Task<T> WithBusAsync<T>(Func<IBus, Task<T>> work) => _service.WithAsync(work);

    public Task<T> WithAsync<TService, T>(Func<TService, Task<T>> work)
        where TService : notnull => _service.WithAsync(work);

    public Task<T> ReadAsync<T>(Func<OperationsDbContext, Task<T>> read) => _service.WithAsync(read);

    /// <summary>Puts commands into the error queue of <c>points-deduct</c>, and waits until they are stored.</summary>
    /// <returns>The ids of the messages, in their order.</returns>
    public async Task<List<Guid>> FailAsync(int count, string exception = FailedMessageSender.Exception)
    {
        var before = await ReadAsync(database => database.FailedMessages.CountAsync());
        var ids = await WithBusAsync(async bus =>
        {
            var sent = new List<Guid>();
            for (var i = 0; i < count; i++)
                sent.Add(await bus.FailAsync(CommandQueues.DeductPoints, FailedMessageSender.Deduction(), exception));
            return sent;
        });
        await StoredAsync(before + count);
        return ids;
    }

    /// <summary>Waits until so many messages are stored in all.</summary>
    public Task StoredAsync(int count) => Eventually.TrueAsync(
        async () => await ReadAsync(database => database.FailedMessages.CountAsync()) == count, Limit, $"{count} messages are stored");

    /// <summary>Creates a client that follows no redirect, as the gateway.</summary>
    public HttpClient PageClientOf(string user)
    {
        var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = _service.Stranger.BaseAddress
        };
        using var known = _service.ClientOf(user);
        foreach (var (name, values) in known.DefaultRequestHeaders)
            client.DefaultRequestHeaders.Add(name, values);
        return client;
    }

    /// <summary>Calls a route as the gateway does for an operator.</summary>
    public async Task<(int Status, JsonElement Body)> CallAsync(HttpMethod method, string route, object? body = null, string? roles = "ops",
        string user = "olga")
    {
        using var client = _service.ClientOf(user);
        using var request = new HttpRequestMessage(method, $"/ops/api/{route}");
        if (roles is not null)
            request.Headers.Add(Caller.UserRolesHeader, roles);
        if (body is not null)
            request.Content = JsonContent.Create(body);
        using var response = await client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement.Clone());
    }

    /// <summary>Starts an operation, and waits for its end.</summary>
    public async Task<JsonElement> ActAsync(string action, object body)
    {
        var (status, started) = await CallAsync(HttpMethod.Post, $"failed-messages/{action}", body);
        Assert.True(status == 202, $"{status} {started}");
        return await EndedAsync(started.GetProperty("operationId").GetGuid());
    }

    /// <summary>Waits for the end of an operation.</summary>
    public async Task<JsonElement> EndedAsync(Guid operationId)
    {
        JsonElement operation = default;
        await Eventually.TrueAsync(async () =>
        {
            operation = (await CallAsync(HttpMethod.Get, $"operations/{operationId}?limit=200")).Body;
            return operation.GetProperty("status").GetString() is "Completed" or "Cancelled";
        }, OperationLimit, "the operation has ended");
        return operation;
    }

    public async Task<string> MetricsAsync()
    {
        using var client = _service.ClientOf("gateway");
        return await client.GetStringAsync("/metrics");
    }

    public Task<List<OperatorAction>> ActionsAsync() =>
        ReadAsync(database => database.OperatorActions.AsNoTracking().OrderBy(action => action.Target).ToListAsync());

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    internal sealed class Consumer(Handled handled) : IConsumer<DeductPoints>
    {
        public Task Consume(ConsumeContext<DeductPoints> context)
        {
            if (handled.Fails)
                throw new InvalidOperationException("The consumer of the test fails.");
            handled.Messages.Enqueue((context.MessageId!.Value, context.Headers.GetAll()
                .UnionBy(context.ReceiveContext.TransportHeaders.GetAll(), header => header.Key)
                .ToDictionary(header => header.Key, header => header.Value)));
            return Task.CompletedTask;
        }
    }

    internal sealed class ConsumerDefinition : ConsumerDefinition<Consumer>
    {
        public ConsumerDefinition()
        {
            EndpointName = CommandQueues.DeductPoints;
            ConcurrentMessageLimit = 1;
        }
    }
}

/// <summary>What the consumer of a test has handled, and whether it fails.</summary>
internal sealed class Handled
{
    public volatile bool Fails;

    public ConcurrentQueue<(Guid Id, Dictionary<string, object> Headers)> Messages { get; } = new();

    public List<Guid> Ids => [.. Messages.Select(message => message.Id)];
}
