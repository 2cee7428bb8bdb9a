using System.Collections.Concurrent;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>A message as the receiver got it.</summary>
public sealed record ReceivedMessage(
    Guid? MessageId, Guid? ConversationId, Guid? CorrelationId, Guid? InitiatorId, Guid? RequestId, string? Custom,
    DateTime? ExpirationTime, Uri? SourceAddress, Guid Id, int Number);

/// <summary>Lets a test control the handlers, and records their work.</summary>
public sealed class Script
{
    /// <summary>Runs at the end of the handler, with the number of times this host has handled the message.</summary>
    public Func<ConsumeContext, int, Task> AtTheEnd { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Runs in the handler, with its context and the number of times this host has handled the message.</summary>
    public Func<TestDbContext, WriteNote, int, Task> Write { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Runs in the handler, with the services of its scope.</summary>
    public Func<IServiceProvider, WriteNote, int, Task> InScope { get; set; } = (_, _, _) => Task.CompletedTask;

    /// <summary>Runs before a transaction of any context of the host is committed.</summary>
    public Func<DbContext, Task> BeforeCommit { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs after a transaction of any context of the host was committed.</summary>
    public Func<DbContext, Task> AfterCommit { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs before a message leaves for the transport.</summary>
    public Func<SendContext, Task> BeforeSend { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs in the saga, with the number of times this host has handled its messages.</summary>
    public Func<int, Task> InSaga { get; set; } = _ => Task.CompletedTask;

    /// <summary>Runs in the saga after its change and its message.</summary>
    public Func<Task> AfterSagaChange { get; set; } = () => Task.CompletedTask;

    /// <summary>The messages that arrived at the receiver, in order.</summary>
    public ConcurrentQueue<ReceivedMessage> Arrived { get; } = new();

    /// <summary>The ids of arrived messages with the header of a first attempt.</summary>
    public ConcurrentQueue<Guid> First { get; } = new();

    /// <summary>The runs of all handlers, with their scopes.</summary>
    public ConcurrentQueue<(Guid Id, Guid Scope)> Handled { get; } = new();

    public IReadOnlyList<ReceivedMessage> ArrivedFor(Guid id) => [.. Arrived.Where(seen => seen.Id == id)];

    public int HandledFor(Guid id) => Handled.Count(handled => handled.Id == id);
}

/// <summary>Identifies a scope.</summary>
public sealed class ScopeMark
{
    public Guid Id { get; } = Guid.CreateVersion7();
}
