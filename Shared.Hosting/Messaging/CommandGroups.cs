using ConcertSaga.Shared.Concurrency;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>Decides about the commands of a service. Each group gets a new instance.</summary>
public interface ICommandHandler
{
    /// <summary>Decides about the commands one after the other, and commits all decisions together.</summary>
    /// <param name="commands">The commands, in the order of their arrival.</param>
    /// <param name="lockWait">Ends the wait for a lock, so that others need not wait with the one command that needs it.</param>
    /// <returns>The outcome of each command.</returns>
    Task<CommandOutcome[]> HandleAsync(IReadOnlyList<object> commands, CancellationToken lockWait);
}

/// <summary>What follows the commit of a command.</summary>
/// <param name="Reply">Published first.</param>
/// <param name="AfterReply">Runs then; null if nothing is left to do.</param>
public sealed record CommandOutcome(object Reply, Func<ConsumeContext, Task>? AfterReply = null);

/// <summary>
/// Lets the commands that arrive during a transaction share the next one. A command that finds the service idle is handled at once. If a
/// group fails, each of its commands is handled again, alone, so that none can fail another or make it wait for a lock.
/// </summary>
public sealed class CommandGroups<THandler> : IAsyncDisposable
    where THandler : ICommandHandler
{
    // A larger group would save hardly anything, and hold its locks for longer.
    private const int MaxGroup = 64;

    private static readonly TimeSpan MaxLockWait = TimeSpan.FromSeconds(1);

    private readonly IServiceScopeFactory _scopes;
    private readonly Batcher<Waiting> _waiting;

    /// <summary>Creates it without commands.</summary>
    public CommandGroups(IServiceScopeFactory scopes)
    {
        _scopes = scopes;
        _waiting = new Batcher<Waiting>(HandleGroupAsync, MaxGroup);
    }

    /// <summary>Returns when the decision about the command is committed.</summary>
    public Task<CommandOutcome> HandleAsync(object command)
    {
        var waiting = new Waiting(command, new TaskCompletionSource<CommandOutcome>(TaskCreationOptions.RunContinuationsAsynchronously));
        return _waiting.Add(waiting) ? waiting.Outcome.Task
            : throw new OperationCanceledException("The service stops. The broker delivers the command again.");
    }

    /// <summary>Refuses new commands. The bus has waited for the others.</summary>
    public ValueTask DisposeAsync() => _waiting.DisposeAsync();

    private async Task HandleGroupAsync(List<Waiting> group)
    {
        using var lockWait = new CancellationTokenSource(MaxLockWait);
        try
        {
            await HandleAsync(group, lockWait.Token);
        }
        catch (Exception) when (group.Count > 1 || lockWait.IsCancellationRequested)
        {
            // The next group does not wait for them.
            foreach (var waiting in group)
                _ = HandleAloneAsync(waiting);
        }
        catch (Exception exception)
        {
            group[0].Outcome.SetException(exception);
        }
    }

    private async Task HandleAloneAsync(Waiting waiting)
    {
        try
        {
            await HandleAsync([waiting], CancellationToken.None);
        }
        catch (Exception exception)
        {
            waiting.Outcome.SetException(exception);
        }
    }

    private async Task HandleAsync(List<Waiting> group, CancellationToken lockWait)
    {
        await using var scope = _scopes.CreateAsyncScope();
        var handler = scope.ServiceProvider.GetRequiredService<THandler>();
        var outcomes = await handler.HandleAsync(group.ConvertAll(waiting => waiting.Command), lockWait);
        foreach (var (waiting, outcome) in group.Zip(outcomes))
            waiting.Outcome.SetResult(outcome);
    }

    private sealed record Waiting(object Command, TaskCompletionSource<CommandOutcome> Outcome);
}

/// <summary>Replies to each command when the decision about it is committed.</summary>
public sealed class CommandConsumer<THandler, TCommand>(CommandGroups<THandler> groups) : IConsumer<TCommand>
    where THandler : ICommandHandler
    where TCommand : class
{
    /// <inheritdoc />
    public async Task Consume(ConsumeContext<TCommand> context)
    {
        var outcome = await groups.HandleAsync(context.Message);
        await context.ReplyAsync(outcome.Reply);
        if (outcome.AfterReply is { } afterReply)
            await afterReply(context);
    }
}

/// <summary>Registers the commands of a service.</summary>
public static class CommandRegistration
{
    /// <summary>Adds the groups of <typeparamref name="THandler"/>.</summary>
    public static IServiceCollection AddCommandGroups<THandler>(this IServiceCollection services)
        where THandler : class, ICommandHandler
    {
        services.TryAddScoped<THandler>();
        services.TryAddSingleton<CommandGroups<THandler>>();
        return services;
    }

    /// <summary>Handles the commands of a queue in the groups of <typeparamref name="THandler"/>.</summary>
    public static void AddCommand<THandler, TCommand>(this IBusRegistrationConfigurator bus, string queue)
        where THandler : class, ICommandHandler
        where TCommand : class
    {
        bus.AddCommandGroups<THandler>();
        bus.AddConsumer<CommandConsumer<THandler, TCommand>>().Endpoint(endpoint => endpoint.Name = queue);
    }
}
