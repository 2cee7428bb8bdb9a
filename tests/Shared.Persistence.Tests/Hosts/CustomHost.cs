using System.Collections.Concurrent;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Records the work of handlers and lets a test delay them.</summary>
public sealed class Journal
{
    private readonly ConcurrentQueue<object> _entries = new();

    /// <summary>Runs in a saga between loading and change.</summary>
    public Func<Task> BeforeChange { get; set; } = () => Task.CompletedTask;

    public void Note(object entry) => _entries.Enqueue(entry);

    public int Count<T>(Func<T, bool> which) => _entries.OfType<T>().Count(which);

    public IReadOnlyList<T> All<T>() => [.. _entries.OfType<T>()];
}

/// <summary>A host that a test configures itself, over the in-memory transport.</summary>
public sealed class CustomHost : IAsyncDisposable
{
    private readonly IHost _host;

    private CustomHost(IHost host) => _host = host;

    public IServiceProvider Services => _host.Services;

    public IBus Bus => Services.GetRequiredService<IBus>();

    public Journal Journal => Services.GetRequiredService<Journal>();

    public static async Task<CustomHost> StartAsync(Action<IServiceCollection> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        if (Environment.GetEnvironmentVariable("CONCERT_TEST_LOG") is { Length: > 0 })
            builder.Logging.AddConsole();
        builder.Services.AddSingleton<Journal>();
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(options => options.WaitUntilStarted = true);
        configure(builder.Services);
        var host = builder.Build();
        try
        {
            await host.StartAsync();
        }
        catch
        {
            host.Dispose();
            throw;
        }
        return new CustomHost(host);
    }

    public async Task SendAsync<T>(string queue, T message, Guid? messageId = null)
        where T : class
    {
        var endpoint = await Bus.GetSendEndpoint(new Uri($"queue:{queue}"));
        await endpoint.Send(message, context => context.MessageId = messageId ?? context.MessageId);
    }

    /// <summary>Reads from a context in a scope of its own.</summary>
    public async Task<T> ReadAsync<TContext, T>(Func<TContext, Task<T>> read)
        where TContext : DbContext
    {
        await using var scope = Services.CreateAsyncScope();
        return await read(scope.ServiceProvider.GetRequiredService<TContext>());
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
