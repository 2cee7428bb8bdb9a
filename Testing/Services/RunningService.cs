using System.Collections.Concurrent;
using ConcertSaga.Contracts;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Testing.Services;

/// <summary>Runs one service, composed as in its process, on the in-memory bus and a free loopback port.</summary>
public sealed class RunningService : IAsyncDisposable
{
    private const string Secret = "the secret of a test, never of a product";

    private static readonly TimeSpan ReplyLimit = TimeSpan.FromSeconds(60);

    private readonly WebApplication _app;
    private readonly PublishedMessages _published;
    private readonly TestDatabase _database;

    private RunningService(WebApplication app, PublishedMessages published, TestDatabase database)
    {
        _app = app;
        _published = published;
        _database = database;
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        Stranger = new HttpClient { BaseAddress = new Uri(address) };
    }

    /// <summary>An HTTP client without the gateway's secret.</summary>
    public HttpClient Stranger { get; }

    /// <summary>All published messages except replies, such as <c>SeatsChanged</c>.</summary>
    public IReadOnlyCollection<object> Published => _published.Others;

    /// <summary>Starts a service and migrates its database.</summary>
    /// <param name="owner">The name in <c>ConnectionStrings</c>.</param>
    /// <param name="database">The database; disposed with the service.</param>
    /// <param name="clock">The clock of the service.</param>
    /// <param name="add">Registers the service, as in its program.</param>
    /// <param name="consumers">Registers the consumers, as in its program.</param>
    /// <param name="map">Maps the routes, as in its program.</param>
    /// <param name="settings">Additional configuration.</param>
    public static async Task<RunningService> StartAsync(
        string owner, TestDatabase database, TimeProvider clock, Action<WebApplicationBuilder> add,
        Action<IBusRegistrationConfigurator> consumers, Action<WebApplication> map, params (string Key, string Value)[] settings)
    {
        var published = new PublishedMessages();
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["urls"] = "http://127.0.0.1:0",
            ["Gateway:Secret"] = Secret,
            ["Database:Provider"] = database.Provider.ToString(),
            [$"ConnectionStrings:{owner}"] = database.ConnectionString,
            ["Messaging:Transport"] = "InMemory"
        });
        builder.Configuration.AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value)));
        builder.Services.AddSingleton(clock);
        builder.AddServiceDefaults(owner.ToLowerInvariant());
        builder.Logging.ClearProviders();
        add(builder);
        builder.AddMessaging(consumers);
        builder.Services.AddSingleton<IPublishObserver>(published);

        var app = builder.Build();
        await app.Services.MigrateAsync(CancellationToken.None);
        await database.KeepAsync(owner);
        app.UseServiceDefaults();
        map(app);
        await app.StartAsync();
        var service = new RunningService(app, published, database);
        // The bus starts in the background.
        var bus = app.Services.GetRequiredService<IBusControl>();
        await bus.WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(30));
        return service;
    }

    /// <summary>Publishes an event.</summary>
    public Task PublishAsync<T>(T message)
        where T : class => _app.Services.GetRequiredService<IBus>().Publish(message);

    /// <summary>Creates a client with the gateway's secret, on behalf of a user.</summary>
    public HttpClient ClientOf(string userId, int? passConcertId = null)
    {
        var client = new HttpClient { BaseAddress = Stranger.BaseAddress };
        client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
        client.DefaultRequestHeaders.Add(Caller.UserIdHeader, userId);
        if (passConcertId is { } concert)
            client.DefaultRequestHeaders.Add(Caller.QueueConcertIdHeader, $"{concert}");
        return client;
    }

    /// <summary>Sends a command to its queue and waits for the reply to this copy.</summary>
    public async Task<object> AskAsync(string queue, object command)
    {
        var conversation = Guid.CreateVersion7();
        var reply = _published.Expect(conversation);
        var endpoint = await _app.Services.GetRequiredService<IBus>().GetSendEndpoint(CommandQueues.AddressOf(queue));
        await endpoint.Send(command, command.GetType(), Pipe.Execute<SendContext>(context => context.ConversationId = conversation));
        return await reply.WaitAsync(ReplyLimit);
    }

    /// <summary>Runs work with a component of the service in a new scope.</summary>
    public async Task<TResult> WithAsync<T, TResult>(Func<T, Task<TResult>> work)
        where T : notnull
    {
        await using var scope = _app.Services.CreateAsyncScope();
        return await work(scope.ServiceProvider.GetRequiredService<T>());
    }

    /// <summary>Stops the service and keeps its database.</summary>
    public Task StopAsync() => _app.StopAsync();

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Stranger.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _database.DisposeAsync();
    }

    // The first message published in a command's conversation is its reply, or the fault after the last retry.
    private sealed class PublishedMessages : IPublishObserver
    {
        private readonly ConcurrentDictionary<Guid, TaskCompletionSource<object>> _expected = new();

        public ConcurrentQueue<object> Others { get; } = new();

        public Task<object> Expect(Guid conversation) =>
            _expected.GetOrAdd(conversation,
                _ => new TaskCompletionSource<object>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public Task PostPublish<T>(PublishContext<T> context)
            where T : class
        {
            if (context.ConversationId is not { } conversation || !_expected.TryRemove(conversation, out var reply))
                Others.Enqueue(context.Message);
            else
                reply.SetResult(context.Message);
            return Task.CompletedTask;
        }

        public Task PrePublish<T>(PublishContext<T> context)
            where T : class => Task.CompletedTask;

        public Task PublishFault<T>(PublishContext<T> context, Exception exception)
            where T : class => Task.CompletedTask;
    }
}
