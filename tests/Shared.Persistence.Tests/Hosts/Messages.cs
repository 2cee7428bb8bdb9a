using MassTransit;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>Tells <see cref="ScriptedConsumer"/> to write a <see cref="Note"/> and to publish <see cref="NoteWritten"/>.</summary>
public sealed record WriteNote(Guid Id, int Messages);

/// <summary>A message of a unit of work, with its number in the order of sending.</summary>
public sealed record NoteWritten(Guid Id, int Number)
{
    /// <summary>Returns whether the context sends this type of message.</summary>
    public static bool IsIn(SendContext context) =>
        context.SupportedMessageTypes?.Contains(MessageUrn.ForTypeString<NoteWritten>()) ?? false;
}

/// <summary>Starts or advances a <see cref="Tally"/>.</summary>
public sealed record AddToTally(Guid Id, int By);

/// <summary>Announces the new sum of a tally.</summary>
public sealed record TallyChanged(Guid Id, int Sum);
